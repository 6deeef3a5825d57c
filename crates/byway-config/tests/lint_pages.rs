//! The pages of the lints, in the text of nginx and Apache, before those servers themselves: what is shown and what is advised is
//! text that they take, and so is what `--fix` makes of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use byway_config::lints::LINTS;
use byway_testkit::testbed::find;

/// The blocks of all pages that open so, each with the name of its lint.
fn blocks(opening: &str) -> Vec<(&'static str, &'static str)> {
    let of_page = |name: &'static str, page: &'static str| {
        page.split(opening)
            .skip(1)
            .map(move |rest| (name, rest.split("```").next().unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    LINTS.iter().flat_map(|lint| of_page(lint.name, lint.page)).collect()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("byway-lints-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for this test");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file of this test");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn nginx_takes_every_block() {
    let found = blocks("```nginx\n");
    assert!(found.len() >= 10, "{}", found.len());
    let Some(nginx) = find("nginx") else { return };
    let folder = Folder::new("nginx");
    for (name, block) in found {
        let base = folder.0.display();
        let text =
            format!("events {{}}\npid {base}/pid;\nerror_log {base}/error.log;\nhttp {{\naccess_log off;\n{block}}}\n");
        let output =
            Command::new(&nginx).arg("-t").arg("-c").arg(folder.file("nginx.conf", &text)).output().expect("nginx");
        assert!(output.status.success(), "{name}: {}\n{block}", said(&output));
    }
}

#[test]
fn apache_takes_every_block() {
    let found: Vec<_> = blocks("```apache\n").into_iter().chain(blocks("```htaccess\n")).collect();
    assert!(found.len() >= 16, "{}", found.len());
    let Some(apache) = find("apache2").or_else(|| find("httpd")) else { return };
    let modules = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"];
    let Some(modules) = modules.into_iter().find(|folder| Path::new(folder).is_dir()) else { return };
    let folder = Folder::new("apache");
    for (name, block) in found {
        let base = folder.0.display();
        let load: String = ["mpm_event", "authz_core", "alias", "rewrite"]
            .into_iter()
            .filter(|module| Path::new(modules).join(format!("mod_{module}.so")).exists())
            .map(|module| format!("LoadModule {module}_module {modules}/mod_{module}.so\n"))
            .collect();
        // A block for a folder is one of a server as well, as far as its syntax goes.
        let text = format!(
            "ServerName a.test\nListen 127.0.0.1:8\nServerRoot {base}\nErrorLog {base}/log\nPidFile {base}/pid\n{load}{block}"
        );
        let output =
            Command::new(&apache).arg("-t").arg("-f").arg(folder.file("httpd.conf", &text)).output().expect("httpd");
        assert!(output.status.success(), "{name}: {}\n{block}", said(&output));
    }
}
