//! Certificates from files: read, checked against their keys and the clock, and chosen by the name that a client asks for.
//!
//! Everything that would only show when a client connects is looked at when the files are read: the key that belongs to another
//! certificate, the chain of which a link has expired, the file that holds the wrong thing.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::clock::iso_stamp;

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain: the server's own certificate first, then those that vouch for it.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What is known of a certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Where it was read; `None` where it was made here.
    pub file: Option<PathBuf>,
    /// The hosts and addresses that it is for.
    pub names: Vec<String>,
    /// When the first link of its chain expires.
    pub not_after: SystemTime,
}

impl CertificateInfo {
    /// How long it still holds; nothing once it is over.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// The day on which it expires, as `2027-03-01T00:00:00Z`.
    pub fn expires(&self) -> String {
        stamp(self.not_after)
    }
}

/// Why certificates cannot be used.
#[derive(Debug)]
pub struct CertificateError {
    /// The file at fault, if it is a file.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub fault: CertificateFault,
}

/// What is wrong with a certificate or a key.
#[derive(Debug)]
pub enum CertificateFault {
    /// The file is not there.
    Missing,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file is longer than any chain.
    TooLong,
    /// The file is not PEM, or a damaged one.
    NotPem(String),
    /// The file holds no certificate.
    NoCertificate,
    /// The file holds no private key.
    NoKey,
    /// The key asks for a password.
    Encrypted,
    /// The key is of a kind that is not served.
    UnknownKey(String),
    /// The key belongs to another certificate, which is in this file.
    OtherKey(PathBuf),
    /// A certificate of the chain cannot be read.
    Damaged(String),
    /// A certificate of the chain expired at this moment.
    Expired(String),
    /// The certificate holds only from this moment on.
    NotYet(String),
    /// TLS could not be set up.
    Tls(String),
}

impl CertificateError {
    fn of(file: &Path, fault: CertificateFault) -> CertificateError {
        CertificateError { file: Some(file.to_owned()), fault }
    }

    pub(crate) fn of_rustls(error: rustls::Error) -> CertificateError {
        CertificateError { file: None, fault: CertificateFault::Tls(error.to_string()) }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self.fault {
            CertificateFault::Missing | CertificateFault::TooLong | CertificateFault::Tls(_) => None,
            CertificateFault::Unreadable(_) => Some("let the user that runs byway read it"),
            CertificateFault::NotPem(_) => {
                Some("PEM begins with `-----BEGIN`; `openssl x509 -inform der -in FILE` turns DER into it")
            }
            CertificateFault::NoCertificate => {
                Some("`cert` is the chain, `key` is the private key: are they the wrong way round?")
            }
            CertificateFault::NoKey => Some("`key` is the file with `BEGIN PRIVATE KEY`, often named privkey.pem"),
            CertificateFault::Encrypted => Some("`openssl pkey -in FILE -out NEW` takes the password away"),
            CertificateFault::UnknownKey(_) => {
                Some("RSA of 2048 bits and more, ECDSA P-256, P-384 and P-521, and Ed25519 are served")
            }
            CertificateFault::OtherKey(_) => Some(
                "give the key with which this certificate was asked for; the server's own certificate comes first in the chain",
            ),
            CertificateFault::Damaged(_) => Some("copy the file again"),
            CertificateFault::Expired(_) => Some("renew it; the other links of the chain come with it"),
            CertificateFault::NotYet(_) => Some("wait, or look at this machine's clock"),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or(Path::new("TLS")).display();
        match &self.fault {
            CertificateFault::Missing => write!(f, "{file} is not there"),
            CertificateFault::Unreadable(error) => write!(f, "{file} cannot be read: {error}"),
            CertificateFault::TooLong => write!(f, "{file} is longer than 1 MiB, which is no certificate and no key"),
            CertificateFault::NotPem(what) => write!(f, "{file} is not PEM: {what}"),
            CertificateFault::NoCertificate => write!(f, "{file} holds no certificate"),
            CertificateFault::NoKey => write!(f, "{file} holds no private key"),
            CertificateFault::Encrypted => write!(f, "{file} is encrypted, and nobody is there to type the password"),
            CertificateFault::UnknownKey(what) => write!(f, "the key in {file} cannot be used: {what}"),
            CertificateFault::OtherKey(cert) => {
                write!(f, "the key in {file} does not fit the certificate in {}", cert.display())
            }
            CertificateFault::Damaged(what) => write!(f, "a certificate in {file} cannot be read: {what}"),
            CertificateFault::Expired(when) => write!(f, "a certificate in {file} expired at {when}"),
            CertificateFault::NotYet(when) => write!(f, "a certificate in {file} holds only from {when} on"),
            CertificateFault::Tls(what) => write!(f, "TLS cannot be set up: {what}"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// Certificates by the names that they are for.
#[derive(Debug)]
pub(crate) struct Certificates {
    exact: HashMap<String, usize>,
    /// By what stands behind `*.`: one label and no more (RFC 9525 §6.3).
    below: HashMap<String, usize>,
    /// At least one.
    all: Vec<(Arc<CertifiedKey>, CertificateInfo)>,
    first: Arc<CertifiedKey>,
}

impl Certificates {
    /// Reads all pairs; there is at least one.
    pub(crate) fn read(files: &[CertificateFiles], now: SystemTime) -> Result<Certificates, CertificateError> {
        let read = files.iter().map(|pair| read_pair(pair, now)).collect::<Result<Vec<_>, _>>()?;
        Certificates::of(read).ok_or(CertificateError { file: None, fault: CertificateFault::NoCertificate })
    }

    /// Where two certificates are for one name, the first that was named is shown.
    pub(crate) fn of(all: Vec<(Arc<CertifiedKey>, CertificateInfo)>) -> Option<Certificates> {
        let first = all.first()?.0.clone();
        let (mut exact, mut below) = (HashMap::new(), HashMap::new());
        for (at, (_, info)) in all.iter().enumerate() {
            for name in &info.names {
                let name = name.to_ascii_lowercase();
                match name.strip_prefix("*.") {
                    Some(parent) => below.entry(parent.to_owned()).or_insert(at),
                    None => exact.entry(name).or_insert(at),
                };
            }
        }
        Some(Certificates { exact, below, all, first })
    }

    /// The certificate for the host that a client names, or the first.
    pub(crate) fn of_name(&self, name: Option<&str>) -> usize {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return 0 };
        let above = || self.below.get(name.split_once('.')?.1);
        self.exact.get(&name).or_else(above).copied().unwrap_or(0)
    }

    pub(crate) fn key_for(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        self.all.get(self.of_name(name)).map_or_else(|| self.first.clone(), |(key, _)| key.clone())
    }

    pub(crate) fn infos(&self) -> Vec<CertificateInfo> {
        self.all.iter().map(|(_, info)| info.clone()).collect()
    }
}

fn read_pair(
    pair: &CertificateFiles,
    now: SystemTime,
) -> Result<(Arc<CertifiedKey>, CertificateInfo), CertificateError> {
    let chain = read_chain(&pair.cert)?;
    let key = read_key(&pair.key)?;
    let (names, not_after) = look_at(&chain, now).map_err(|fault| CertificateError::of(&pair.cert, fault))?;
    let key = any_supported_type(&key)
        .map_err(|error| CertificateError::of(&pair.key, CertificateFault::UnknownKey(error.to_string())))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A key that does not say its public half cannot be compared; the handshake will tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            return Err(CertificateError::of(&pair.key, CertificateFault::OtherKey(pair.cert.clone())));
        }
        Err(error) => return Err(CertificateError::of(&pair.cert, CertificateFault::Damaged(error.to_string()))),
    }
    Ok((Arc::new(certified), CertificateInfo { file: Some(pair.cert.clone()), names, not_after }))
}

/// The longest file that is read.
const LONGEST: u64 = 1 << 20;

fn read_file(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => CertificateError::of(path, CertificateFault::Missing),
        _ => CertificateError::of(path, CertificateFault::Unreadable(error)),
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(LONGEST + 1).read_to_end(&mut bytes).map_err(fault)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(CertificateError::of(path, CertificateFault::TooLong)),
        false => Ok(bytes),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bytes = read_file(path)?;
    let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(CertificateError::of(path, without(&bytes, CertificateFault::NoCertificate))),
        Err(error) => Err(CertificateError::of(path, not_pem(&error))),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let bytes = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let is_encrypted = memchr::memmem::find(&bytes, b"ENCRYPTED").is_some();
        let fault = match error {
            _ if is_encrypted => CertificateFault::Encrypted,
            pem::Error::NoItemsFound => without(&bytes, CertificateFault::NoKey),
            error => not_pem(&error),
        };
        CertificateError::of(path, fault)
    })
}

/// A file in which nothing of the kind was found: PEM of another kind, or no PEM.
fn without(bytes: &[u8], fault: CertificateFault) -> CertificateFault {
    match memchr::memmem::find(bytes, b"-----BEGIN ") {
        Some(_) => fault,
        None => CertificateFault::NotPem("there is no `-----BEGIN` in it".to_owned()),
    }
}

fn not_pem(error: &pem::Error) -> CertificateFault {
    CertificateFault::NotPem(match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end: the file is cut off".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is broken".to_owned(),
        pem::Error::Base64Decode(_) => "a section is no base64".to_owned(),
        error => error.to_string(),
    })
}

/// The names of the first certificate of a chain, and when the first of all expires.
fn look_at(chain: &[CertificateDer<'_>], now: SystemTime) -> Result<(Vec<String>, SystemTime), CertificateFault> {
    let (mut names, mut ends) = (Vec::new(), None::<SystemTime>);
    for (at, der) in chain.iter().enumerate() {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| CertificateFault::Damaged(error.to_string()))?;
        let validity = certificate.validity();
        let (begins, end) = (moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp()));
        if end <= now {
            return Err(CertificateFault::Expired(stamp(end)));
        }
        if begins > now {
            return Err(CertificateFault::NotYet(stamp(begins)));
        }
        ends = Some(ends.map_or(end, |first| first.min(end)));
        if at == 0 {
            names = names_of(&certificate);
        }
    }
    ends.map(|end| (names, end)).ok_or(CertificateFault::NoCertificate)
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn moment(second: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(second).unwrap_or(0))
}

fn stamp(moment: SystemTime) -> String {
    iso_stamp(moment.duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_names(names: &[&[&str]]) -> Certificates {
        let all = names.iter().map(|names| crate::tls::self_signed::pair(names).expect("made"));
        Certificates::of(all.collect()).expect("at least one")
    }

    #[test]
    fn names_choose_exactly_then_by_one_label_then_the_first() {
        let certificates = of_names(&[&["first.test"], &["*.example.com", "example.com"], &["api.example.com"]]);
        for (name, expected) in [
            (None, 0),
            (Some("unknown.test"), 0),
            (Some("example.com"), 1),
            (Some("WWW.Example.com"), 1),
            (Some("a.b.example.com"), 0),
            (Some("api.example.com"), 2),
        ] {
            assert_eq!(certificates.of_name(name), expected, "{name:?}");
        }
    }
}
