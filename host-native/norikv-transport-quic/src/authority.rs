//! The cluster's certificate authority.
//!
//! **Invariant: a certificate names exactly one node**, as `node-<id>.norikv`; other names in it are
//! the addresses it is reached at.

use core::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use norikv_types::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::credentials::{Pem, name_of};
use crate::{Credentials, Error};

/// Issues the certificates of one cluster's nodes. Needed to make nodes, not to run them.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a key of its own, good for 20 years.
    ///
    /// # Errors
    /// `Certificate` when the system gives no randomness.
    pub fn create(cluster: u64) -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = named(format!("norikv cluster {cluster:016x}"));
        valid_for(&mut params, 20);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// Writes the authority as [`CERTIFICATE_FILE`](Self::CERTIFICATE_FILE) and
    /// [`KEY_FILE`](Self::KEY_FILE) into `folder`, which is made if need be. The key can be read by
    /// its owner only.
    ///
    /// # Errors
    /// `File` when one of them is there already or cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(|source| Error::File {
            path: folder.to_path_buf(),
            source,
        })?;
        write_new(
            &folder.join(Self::KEY_FILE),
            &self.issuer.key().serialize_pem(),
            0o600,
        )?;
        write_new(
            &folder.join(Self::CERTIFICATE_FILE),
            &self.certificate,
            0o644,
        )
    }

    /// Reads what [`save`](Self::save) wrote into `folder`.
    ///
    /// # Errors
    /// `File` and `Pem`, naming the file; `Certificate` when what it holds is no authority.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(Self::CERTIFICATE_FILE);
        let certificate = read(&path)?;
        let key_path = folder.join(Self::KEY_FILE);
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(|error| Error::Pem {
            path: key_path,
            expected: "private key",
            detail: error.to_string(),
        })?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(|error| Error::Pem {
            path,
            expected: "certificate",
            detail: error.to_string(),
        })?;
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// The authority's certificate in a cluster's folder.
    pub const CERTIFICATE_FILE: &str = "ca.crt";
    /// The authority's key.
    pub const KEY_FILE: &str = "ca.key";

    /// A certificate with a new key for `node`, good for 10 years. `addresses`: the names and IP
    /// addresses it is reached at, for clients that check them; peers check the id alone.
    ///
    /// # Errors
    /// `Certificate` when an address is neither a name nor an IP address.
    pub fn issue(&self, node: NodeId, addresses: &[String]) -> Result<Credentials, Error> {
        let mut names = vec![name_of(node)];
        names.extend_from_slice(addresses);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named(name_of(node));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, 10);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let authority = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .map_err(|error| Error::Tls(error.to_string()))?;
        Ok(Credentials::issued(
            authority,
            certificate.der().clone(),
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            Pem {
                authority: self.certificate.clone(),
                certificate: certificate.pem(),
                key: key.serialize_pem(),
            },
        ))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|source| Error::File {
            path: path.to_path_buf(),
            source,
        })
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
    })
}

fn named(name: String) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From the start of last year, so that a clock that is behind does not matter, for `years` from now.
fn valid_for(params: &mut CertificateParams, years: i32) {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let year = i32::try_from(1970 + seconds / SECONDS_A_YEAR).unwrap_or(2026);
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + years, 1, 1);
}

/// Of the Gregorian calendar, on average.
const SECONDS_A_YEAR: u64 = 31_556_952;

#[cfg(test)]
mod tests;
