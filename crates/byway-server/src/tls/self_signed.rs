//! A certificate made on the spot, for trying out: it lives in memory, for a fortnight, and nobody trusts it unless told to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificates::{CertificateError, CertificateFault, CertificateInfo, Certificates};

/// How long it holds: longer than anybody tries something out, too short to be relied on.
const HOLDS: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Clocks of clients may lag behind.
const LAG: Duration = Duration::from_secs(24 * 3_600);

/// A certificate for these hosts and addresses.
pub(crate) fn make(names: &[&str]) -> Result<Certificates, CertificateError> {
    let none = CertificateError { file: None, fault: CertificateFault::NoCertificate };
    Certificates::of(vec![pair(names)?]).ok_or(none)
}

pub(crate) fn pair(names: &[&str]) -> Result<(Arc<CertifiedKey>, CertificateInfo), CertificateError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let now = SystemTime::now();
    let mut params = CertificateParams::new(names.clone()).map_err(fault)?;
    params.not_before = (now - LAG).into();
    params.not_after = (now + HOLDS).into();
    params.distinguished_name.push(DnType::CommonName, "byway, for trying out");
    let key = KeyPair::generate().map_err(fault)?;
    let certificate = params.self_signed(&key).map_err(fault)?;
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = any_supported_type(&der).map_err(CertificateError::of_rustls)?;
    let certified = CertifiedKey::new(vec![certificate.der().clone()], signing);
    Ok((Arc::new(certified), CertificateInfo { file: None, names, not_after: now + HOLDS }))
}

fn fault(error: rcgen::Error) -> CertificateError {
    CertificateError { file: None, fault: CertificateFault::Tls(error.to_string()) }
}
