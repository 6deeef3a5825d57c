//! A tower Layer that answers redirects and passes everything else on.
pub mod page;
