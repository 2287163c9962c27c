//! Servers that present certificates, good and bad. A message for a merchant goes to nobody else.

use super::courier::{Scripted, TIMEOUT, post, status};
use deliver_webhooks::courier::HttpCourier;
use mealticket_domain::webhook::{Answer, Failure};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
};

/// The name in the URL that is called.
const HERE: &str = "127.0.0.1";

/// A certificate authority of the test's own.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    fn root(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

/// A certificate for a server with this name.
fn for_server(name: &str, change: impl Fn(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    params
}

/// Starts a server that presents this certificate and answers 200. The counter says how many requests it has read.
async fn server(params: &CertificateParams, authority: Option<&Authority>) -> (String, Arc<AtomicUsize>) {
    let key = KeyPair::generate().unwrap();
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let read = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&read);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            if connection.read(&mut [0; 1_024]).await.is_ok_and(|bytes| bytes > 0) {
                counted.fetch_add(1, Relaxed);
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    });
    (url, read)
}

#[tokio::test]
async fn a_message_is_sent_to_a_server_whose_certificate_is_good_and_to_no_other() {
    let (known, stranger) = (Authority::new(), Authority::new());
    let courier = HttpCourier::trusting(Scripted::never(), TIMEOUT * 5, [known.root()]).unwrap();
    let past = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    };
    let to_come = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    };
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    for (what, params, authority, is_good) in [
        ("good", for_server(HERE, |_| ()), Some(&known), true),
        ("signed by nobody", for_server(HERE, |_| ()), None, false),
        ("signed by a stranger", for_server(HERE, |_| ()), Some(&stranger), false),
        ("for another name", for_server("hooks.example.com", |_| ()), Some(&known), false),
        ("expired", for_server(HERE, past), Some(&known), false),
        ("not valid yet", for_server(HERE, to_come), Some(&known), false),
        ("for clients", for_server(HERE, for_clients), Some(&known), false),
    ] {
        let (url, read) = server(&params, authority).await;
        let expected = if is_good { status(200) } else { Answer::Failed(Failure::NotConnected) };
        assert_eq!(post(&courier, &url).await, expected, "{what}");
        assert_eq!(read.load(Relaxed), usize::from(is_good), "{what}: it read what was for the merchant");
    }
    // A courier without the test's root trusts none of these certificates.
    let (url, read) = server(&for_server(HERE, |_| ()), Some(&known)).await;
    let courier = HttpCourier::new(Scripted::never(), TIMEOUT * 5).unwrap();
    assert_eq!((post(&courier, &url).await, read.load(Relaxed)), (Answer::Failed(Failure::NotConnected), 0));
}
