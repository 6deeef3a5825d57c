//! The real servers: one file and one row each. A row says which formats a server runs, how a configuration is laid out for it in
//! a temporary folder, and what a generated configuration looks like.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::draw::Draw;

mod apache;
mod nginx;

/// The line that begins a file of the document root in a generated configuration, and what stands for that root.
const FILE_MARK: &str = "#@ ";
const ROOT_MARK: &str = "@ROOT@";

/// A generated configuration, the files that belong to it laid out beside it.
pub(crate) fn whole(text: &str, folder: &Folder) -> Result<String, String> {
    let text = text.replace(ROOT_MARK, &folder.path().join("www").display().to_string());
    let mark = format!("\n{FILE_MARK}");
    let mut parts = text.split(&mark);
    let own = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        folder.write(Path::new("www").join(name), content)?;
    }
    Ok(own)
}

/// Every server.
pub(crate) const SERVERS: &[Server] = &[nginx::ROW, apache::ROW];

/// A server: its row.
pub(crate) struct Server {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Its program, under the names that systems give it.
    pub(crate) programs: &'static [&'static str],
    /// The formats that are its own.
    pub(crate) formats: &'static [&'static str],
    /// Lays a configuration out.
    pub(crate) lay_out: fn(&Source<'_>, &Folder) -> Result<Laid, String>,
    /// How it is started, and how it is asked whether it takes a configuration.
    pub(crate) arguments: fn(&Folder) -> Vec<OsString>,
    pub(crate) check: &'static [&'static str],
    pub(crate) run: &'static [&'static str],
    /// A configuration made by the grammar of one of its formats, and the name of its file.
    pub(crate) generate: fn(&str, &mut Draw) -> (&'static str, String),
}

/// What is replayed: what was named, and the files that byway read from there.
pub(crate) struct Source<'s> {
    pub(crate) named: &'s Path,
    pub(crate) format: &'static str,
    pub(crate) files: &'s [PathBuf],
}

/// Where a configuration was laid out.
pub(crate) struct Laid {
    /// What byway reads: the same text, with the same ports.
    pub(crate) named: PathBuf,
    /// The ports that the server listens on, in the order in which the text has them.
    pub(crate) ports: Vec<u16>,
}

/// A folder that goes when it is dropped, unless it is to stay.
pub(crate) struct Folder {
    path: PathBuf,
    stays: bool,
}

impl Folder {
    /// A new one, which the server may read as whoever it serves as; it stays where it is told where to.
    pub(crate) fn new(keep: Option<&Path>) -> io::Result<Folder> {
        let base = keep.map_or_else(std::env::temp_dir, Path::to_owned);
        fs::create_dir_all(&base)?;
        // The server has its own idea of where relative paths begin.
        let base = fs::canonicalize(base)?;
        for number in 0_u32.. {
            let path = base.join(format!("byway-replay-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Folder { path, stays: keep.is_some() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file below it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        made.map_err(|error| format!("{} cannot be written: {error}", path.display())).map(|()| path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be taken away is left in the system's folder for such things.
        if !self.stays {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Server {
    /// The server of a format.
    pub(crate) fn of(format: &str) -> Option<&'static Server> {
        SERVERS.iter().find(|server| server.formats.contains(&format))
    }

    /// What a file of a format of its is called where it is laid out.
    pub(crate) fn file_of(&self, format: &str) -> &'static str {
        if format == "htaccess" { ".htaccess" } else { "export.conf" }
    }

    /// Its program, in the search path or where Debian keeps servers.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> =
            std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from)).collect();
        let candidates = self.programs.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        candidates.into_iter().find(|path| path.is_file())
    }

    /// Starts it with what was laid out. A line that it does not know is taken out of what was laid out, for both.
    pub(crate) fn start(&self, folder: &Folder, laid: &Laid) -> Result<Running, String> {
        let program = self.program().ok_or_else(|| format!("{} is not installed", self.name))?;
        let mut taken_out = Vec::new();
        loop {
            let output = Command::new(&program).args((self.arguments)(folder)).args(self.check).output();
            let output = output.map_err(|error| format!("{} does not start: {error}", program.display()))?;
            if output.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            match take_out(&said, folder.path()) {
                Some(line) if taken_out.len() < 500 => taken_out.push(line),
                _ => return Err(format!("{} refuses the configuration: {}", self.name, said.trim())),
            }
        }
        let port = laid.ports.first().copied().ok_or("no port")?;
        let child = Command::new(&program)
            .args((self.arguments)(folder))
            .args(self.run)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let mut running = Running { child, taken_out };
        running.wait(SocketAddr::from(([127, 0, 0, 1], port)))?;
        Ok(running)
    }
}

/// Blanks the line that a server complains of, if it is one directive of a file that was laid out; says which it was.
fn take_out(said: &str, folder: &Path) -> Option<String> {
    let (path, number) = place_of(said)?;
    if !path.starts_with(folder) {
        return None;
    }
    let text = fs::read(&path).ok()?;
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let line = lines.get(number.checked_sub(1)?).copied()?;
    let trimmed = line.trim_ascii();
    if trimmed.is_empty() || trimmed.ends_with(b"{") || trimmed.starts_with(b"<") {
        return None;
    }
    lines[number - 1] = b"";
    fs::write(&path, lines.join(&b'\n')).ok()?;
    Some(String::from_utf8_lossy(trimmed).into_owned())
}

/// The file and line of `… in /path:7` (nginx), or `… on line 7 of /path:` (Apache).
fn place_of(said: &str) -> Option<(PathBuf, usize)> {
    if let Some((before, behind)) = said.split_once(" on line ").filter(|_| said.contains(" of /")) {
        let _ = before;
        let (number, path) = behind.split_once(" of ")?;
        let path = path.lines().next()?.trim().trim_end_matches(':');
        return Some((path.into(), number.trim().parse().ok()?));
    }
    let line = said.lines().find(|line| line.contains("[emerg]"))?;
    let (_, place) = line.rsplit_once(" in ")?;
    let (path, number) = place.trim().rsplit_once(':')?;
    Some((path.into(), number.parse().ok()?))
}

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    /// The lines that it did not know.
    pub(crate) taken_out: Vec<String>,
}

impl Running {
    fn wait(&mut self, address: SocketAddr) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at once: {status}"));
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
                return Ok(());
            }
            pause();
        }
        Err("the server does not listen".to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A server that is killed leaves its own children behind; told to end, it takes them along.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            pause();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A moment, between two looks at a port.
#[expect(clippy::disallowed_methods, reason = "another program's port opens without telling anybody")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Ports of a configuration, and the free ones that stand for them.
#[derive(Default)]
struct Ports {
    free: Vec<u16>,
    of: BTreeMap<u16, u16>,
    order: Vec<u16>,
}

impl Ports {
    /// The free port that stands for one.
    fn get(&mut self, port: u16) -> Result<u16, String> {
        if let Some(free) = self.of.get(&port) {
            return Ok(*free);
        }
        if self.free.is_empty() {
            // Those that were given are free again to all that the system knows.
            self.free = free_ports(16 + self.order.len())?;
            self.free.retain(|port| !self.order.contains(port));
        }
        let free = self.free.pop().ok_or("no port is free")?;
        self.of.insert(port, free);
        self.order.push(free);
        Ok(free)
    }

    /// Those that were given, in the order in which they were asked for.
    fn given(&self) -> Vec<u16> {
        self.order.clone()
    }
}

/// So many free ports of the loopback address.
fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let held: Result<Vec<TcpListener>, io::Error> = (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect();
    let held = held.map_err(|error| format!("no port is free: {error}"))?;
    held.iter()
        .map(|listener| listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string()))
        .collect()
}

/// Whether this process may give a server another user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The path of a file below the folder of the first one, or its name alone.
fn below<'p>(file: &'p Path, first: &Path) -> &'p Path {
    let folder = first.parent().unwrap_or(Path::new(""));
    file.strip_prefix(folder).unwrap_or_else(|_| Path::new(file.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_name_their_place() {
        let nginx =
            "nginx: [emerg] unknown directive \"x\" in /t/conf/a.conf:7\nnginx: configuration file /t/n test failed";
        assert_eq!(place_of(nginx), Some(("/t/conf/a.conf".into(), 7)));
        let apache = "AH00526: Syntax error on line 12 of /t/conf/a.conf:\nInvalid command 'X', perhaps";
        assert_eq!(place_of(apache), Some(("/t/conf/a.conf".into(), 12)));
    }
}
