//! A node's certificate, its key and the authority it trusts.
//!
//! **Invariant: both sides check both things** — that the cluster's authority issued the
//! certificate, and that it did so for the id that the other side goes by.

use core::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use norikv_types::NodeId;
use rustls::client::verify_server_name;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::Error;
use crate::authority::write_new;

/// What a node shows of itself and whom it believes.
#[derive(Clone)]
pub struct Credentials {
    authority: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    pem: Option<Arc<Pem>>,
}

/// The texts that a freshly issued certificate is written as.
pub(crate) struct Pem {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Credentials {
    /// Reads the authority's certificate, this node's certificate (with any intermediate ones after
    /// it) and its key, all PEM.
    ///
    /// # Errors
    /// `File` and `Pem`, naming the file.
    pub fn load(authority: &Path, certificate: &Path, key: &Path) -> Result<Self, Error> {
        let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| no_pem(certificate, "certificate", &error))?;
        if chain.is_empty() {
            return Err(no_pem(certificate, "certificate", &"the file has none"));
        }
        Ok(Self {
            authority: CertificateDer::from_pem_slice(&read(authority)?)
                .map_err(|error| no_pem(authority, "certificate", &error))?,
            chain,
            key: Arc::new(
                PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|error| no_pem(key, "private key", &error))?,
            ),
            pem: None,
        })
    }

    pub(crate) fn issued(
        authority: CertificateDer<'static>,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
        pem: Pem,
    ) -> Self {
        Self {
            authority,
            chain: vec![certificate],
            key: Arc::new(key),
            pem: Some(Arc::new(pem)),
        }
    }

    /// Writes freshly issued credentials as [`AUTHORITY_FILE`](Self::AUTHORITY_FILE),
    /// [`CERTIFICATE_FILE`](Self::CERTIFICATE_FILE) and [`KEY_FILE`](Self::KEY_FILE) into `folder`,
    /// which is made if need be. The key can be read by its owner only.
    ///
    /// # Errors
    /// `File` when one of them is there already or cannot be written.
    ///
    /// # Panics
    /// When these credentials were loaded: they have their files.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let pem = self.pem.as_ref();
        assert!(pem.is_some(), "loaded credentials have their files already");
        let Some(pem) = pem else { return Ok(()) };
        fs::create_dir_all(folder).map_err(|source| Error::File {
            path: folder.to_path_buf(),
            source,
        })?;
        write_new(&folder.join(Self::AUTHORITY_FILE), &pem.authority, 0o644)?;
        write_new(
            &folder.join(Self::CERTIFICATE_FILE),
            &pem.certificate,
            0o644,
        )?;
        write_new(&folder.join(Self::KEY_FILE), &pem.key, 0o600)
    }

    /// Reads what [`save`](Self::save) wrote into `folder`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_from(folder: &Path) -> Result<Self, Error> {
        Self::load(
            &folder.join(Self::AUTHORITY_FILE),
            &folder.join(Self::CERTIFICATE_FILE),
            &folder.join(Self::KEY_FILE),
        )
    }

    /// The authority's certificate in a node's folder.
    pub const AUTHORITY_FILE: &str = "ca.crt";
    /// The node's certificate.
    pub const CERTIFICATE_FILE: &str = "node.crt";
    /// The node's key.
    pub const KEY_FILE: &str = "node.key";

    /// Checks that the certificate was issued for `node`.
    ///
    /// # Errors
    /// `ForeignCertificate`.
    pub fn check_node(&self, node: NodeId) -> Result<(), Error> {
        let certificate = self.chain.first();
        certificate
            .ok_or_else(|| "there is no certificate".to_owned())
            .and_then(|certificate| certificate_is_for(certificate, node))
            .map_err(|detail| Error::ForeignCertificate { node, detail })
    }

    pub(crate) fn server(&self) -> Result<ServerConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::new(self.roots()?),
            Arc::clone(&provider),
        )
        .build()
        .map_err(|error| Error::Tls(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(tls)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    pub(crate) fn client(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(tls)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).map_err(tls)?;
        Ok(roots)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The name in the certificate of `node`.
pub(crate) fn name_of(node: NodeId) -> String {
    format!("node-{}.norikv", node.0)
}

/// Whether `certificate` was issued for `node`; its issuer is checked by the handshake.
pub(crate) fn certificate_is_for(
    certificate: &CertificateDer<'_>,
    node: NodeId,
) -> Result<(), String> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name_of(node)).map_err(|error| error.to_string())?;
    verify_server_name(&parsed, &name).map_err(|error| error.to_string())
}

fn tls(error: rustls::Error) -> Error {
    Error::Tls(error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
    })
}

fn no_pem(path: &Path, expected: &'static str, detail: &dyn fmt::Display) -> Error {
    Error::Pem {
        path: path.to_path_buf(),
        expected,
        detail: detail.to_string(),
    }
}

/// What the two sides of a handshake call what they are about to speak. The version stands in the
/// hello, where a mismatch can be explained.
pub(crate) const ALPN: &[u8] = b"norikv-peer";
