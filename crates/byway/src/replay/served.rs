//! byway as a server of its own on loopback, while a configuration is replayed over the wire.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use byway_config::foreign::ForeignOptions;
use byway_config::formats::Format;

use super::wire::Wire;

/// byway as a server of its own.
pub(super) struct Served {
    child: Child,
    pub(super) wire: Wire,
}

impl Served {
    pub(super) fn start(named: &Path, format: &Format, foreign: &ForeignOptions) -> Result<Served, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("serve").arg(named).args(["--from", format.name, "--redirects-only", "--listen", "127.0.0.1:0"]);
        if let Some(root) = &foreign.root {
            command.arg("--root").arg(root);
        }
        foreign.allowed.iter().for_each(|folder| _ = command.arg("--allow-include").arg(folder));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let said = child.stderr.take().ok_or("byway says nothing")?;
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on ")?.rsplit('/').next()?.parse().ok());
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        match address {
            Some(address) => Ok(Served { child, wire: Wire::new(address) }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err("byway does not serve it".to_owned())
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
