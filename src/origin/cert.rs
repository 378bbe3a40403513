//! The origin's certificates: a certificate authority made anew at each start, and a leaf for
//! `localhost`, `127.0.0.1` and `::1`.

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::IpAddr;
use std::sync::Arc;

/// Certificate of an HTTPS listener, and that of its authority for clients.
pub(super) struct Identity {
    /// The authority's certificate, PEM.
    pub(super) ca_pem: String,
    /// TLS 1.2 and 1.3 with ALPN http/1.1 and session resumption.
    pub(super) config: Arc<ServerConfig>,
}

/// Makes an authority and a leaf signed by it, `addr` among its names.
pub(super) fn issue(addr: IpAddr) -> anyhow::Result<Identity> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "ringpull origin test authority");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !addr.is_loopback() && !addr.is_unspecified() {
        names.push(addr.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "ringpull origin");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, &ca)?;

    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .context("cannot set up TLS")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity { ca_pem: ca.pem(), config: Arc::new(config) })
}
