//! `byway serve`: answers requests as rule files say.
//!
//! This file is the arguments; what runs is in `server.rs`, what the rules come from in `served.rs`.

use std::path::PathBuf;
use std::time::Duration;

use byway_server::settings::{Added, Log, LogFormat, Queries};
use byway_server::tls::CertificateFiles;

use super::Run;
use crate::exit::{Ended, Failure};
use crate::hits::IfDamaged;
use crate::listening::{Listening, Shown};
use crate::rules::{self, Reading};
use crate::served::{Scope, Served};
use crate::server::{self, Wishes};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "SIGHUP reads the rules again, SIGUSR1 opens the access log anew, SIGTERM finishes what is open and ends."
)]
pub(crate) struct Serve {
    /// The rule files, in any format of `byway formats`; without one ./byway.toml
    #[arg(value_name = "FILE", conflicts_with = "demo")]
    files: Vec<PathBuf>,
    /// Where to listen, repeatable: `127.0.0.1:8307` (the default), `[::1]:80`, `:80` (every address), `https://:443`, `unix:/run/byway.sock`; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Where to listen and speak TLS, repeatable: as `--listen` with `https://`
    #[arg(long, value_name = "ADDR")]
    listen_tls: Vec<String>,
    /// The certificate chain in PEM; without `--listen-tls`, every `--listen` speaks TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Make a certificate for trying TLS out; nobody trusts it unless told to
    #[arg(long, conflicts_with = "tls_cert")]
    tls_self_signed: bool,
    /// Other servers call it so
    #[arg(long, short = 'p', value_name = "PORT", hide = true)]
    port: Option<String>,
    /// Serving threads; one a core by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Serve a handful of rules and a page that explains 307 by doing it
    #[arg(long)]
    demo: bool,
    /// Read the rules again when their files change
    #[arg(long)]
    watch: bool,
    /// Map a compiled file instead of reading it; it must then only be replaced by renaming, as `byway compile` does
    #[arg(long, conflicts_with = "demo")]
    map: bool,
    /// Serve the redirects of another server's configuration that does more than redirect
    #[arg(long, conflicts_with = "demo")]
    redirects_only: bool,
    /// Leave the Cache-Control and Vary that byway adds out of answers that another server's rules gave
    #[arg(long, conflicts_with = "demo")]
    pure_dialect: bool,
    /// Let reloads take away more than a tenth of the rules
    #[arg(long)]
    allow_loss: bool,
    /// A socket for `byway reload`, `byway pool` and `byway maintenance`
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Where Prometheus may ask for /metrics, with /healthz and /readyz: `127.0.0.1:9307`; `:9307` is this machine alone
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// Keep hits of rules in this database over restarts, for `byway rules`
    #[arg(long, value_name = "FILE")]
    hits: Option<PathBuf>,
    /// Set a damaged database of hits aside and begin a new one
    #[arg(long)]
    hits_fresh: bool,
    /// Ask every target that stands fast whether it is there, so often: 6h
    #[arg(long, value_name = "EVERY", value_parser = parse_every)]
    probe: Option<Duration>,
    /// A folder for what must survive restarts: windows opened and closed by hand, members taken out
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write a line for each request to this file
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// What a line looks like
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Combined)]
    access_log_format: Format,
    /// Write queries too; they often hold secrets
    #[arg(long)]
    access_log_queries: bool,
    #[command(flatten)]
    reading: Reading,
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The Common Log Format
    Common,
    /// Common, with Referer and User-Agent
    Combined,
    /// One JSON object a line, with the rule
    Json,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let parsed = byway_config::own::server::parse_duration(text).filter(|every| *every >= Duration::from_secs(1));
    parsed.ok_or_else(|| "write a number and `s`, `m` or `h`, as 6h; at least 1s".to_owned())
}

impl Run for Serve {
    fn run(self, terminal: &mut Terminal) -> Ended {
        if let Some(port) = &self.port {
            return Err(Failure::usage("`byway serve` has no `--port`").help(format!(
                "write `--listen 127.0.0.1:{port}`, or `--listen :{port}` for every address of this machine"
            )));
        }
        let served = match (self.demo, self.map) {
            (true, _) => Served::Demo,
            (false, true) => Served::Mapped(self.mapped()?),
            (false, false) => {
                let roots = rules::roots(&self.files, "name a rule file, or try `byway serve --demo`")?;
                let scope = if self.redirects_only { Scope::RedirectsOnly } else { Scope::Whole };
                Served::Files { roots, reading: self.reading.clone(), scope }
            }
        };
        server::run(served, &self.wishes(), terminal)
    }
}

impl Serve {
    fn mapped(&self) -> Result<PathBuf, Failure> {
        match self.files.as_slice() {
            [file] => Ok(file.clone()),
            _ => Err(Failure::usage("`--map` serves one compiled file")
                .help("byway compile FILE… -o rules.byway, then byway serve --map rules.byway")),
        }
    }

    fn listening(&self) -> Listening {
        let certificate = match (&self.tls_cert, &self.tls_key, self.tls_self_signed) {
            (Some(cert), Some(key), _) => Shown::Files(CertificateFiles { cert: cert.clone(), key: key.clone() }),
            (_, _, true) => Shown::SelfSigned,
            _ => Shown::None,
        };
        Listening { plain: self.listen.clone(), tls: self.listen_tls.clone(), certificate }
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            listening: self.listening(),
            workers: self.workers.map(usize::from),
            watch: self.watch,
            allow_loss: self.allow_loss,
            added: if self.pure_dialect { Added::LeftOut } else { Added::Sent },
            state: self.state.clone(),
            control: self.control.clone(),
            metrics: self.metrics.clone(),
            hits: self.hits.clone(),
            probe: self.probe,
            damaged_hits: if self.hits_fresh { IfDamaged::SetAside } else { IfDamaged::Refuse },
            log: self.access_log.as_ref().map(|path| Log {
                path: path.clone(),
                format: match self.access_log_format {
                    Format::Common => LogFormat::Common,
                    Format::Combined => LogFormat::Combined,
                    Format::Json => LogFormat::Json,
                },
                queries: if self.access_log_queries { Queries::Shown } else { Queries::Hidden },
            }),
        }
    }
}
