use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::{env, fs};

use hallpass::ErrorKind;
use hallpass::store::{CredentialsStore, RecordKey, Redis, SealingKey};
use hallpass::testing::store_contract;
use hallpass_peers::{Certificates, RedisServer};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("hallpass-certificates-{}-{name}", id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split_whitespace()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "openssl {arguments}");
}

/// An authority, and a certificate for `name` that it signed.
fn certificates(folder: &Path, name: &str) -> Certificates {
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(folder, &format!("{new} -keyout authority.key -out authority.pem -subj /CN=Authority"));
    let signed = "-CA authority.pem -CAkey authority.key -subj /CN=Redis -addext basicConstraints=critical,CA:FALSE";
    openssl(folder, &format!("{new} -keyout redis.key -out redis.pem {signed} -addext subjectAltName={name}"));
    Certificates { authority: folder.join("authority.pem"), certificate: folder.join("redis.pem"), key: folder.join("redis.key") }
}

#[tokio::test]
async fn redis_is_spoken_to_over_tls_whose_authority_is_given() {
    let folder = Folder::new("given");
    let certificates = certificates(&folder.0, "IP:127.0.0.1");
    let authority = fs::read(&certificates.authority).unwrap();
    let server = RedisServer::with_tls(certificates);
    let undecided = std::panic::catch_unwind(rustls::ClientConfig::builder);
    assert!(undecided.is_err(), "this program has no default for rustls, and TLS works all the same");
    let sealing_key = SealingKey::generate().unwrap();
    store_contract(|| Redis::new(&server.url(), sealing_key.clone()).certificate_authority(authority.clone())).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_redis_is_refused() {
    let folder = Folder::new("refused");
    let own = certificates(&folder.0, "DNS:other.example");
    let authority = fs::read(&own.authority).unwrap();
    let key = RecordKey::new("issuer", "client", "");
    let store = |server: &RedisServer| Redis::new(&server.url(), SealingKey::from_bytes([1; 32]));

    let of_another_name = RedisServer::with_tls(own);
    for store in [store(&of_another_name).certificate_authority(authority.clone()), store(&of_another_name)] {
        assert_eq!(store.load(&key).await.unwrap_err().kind(), ErrorKind::Store);
    }

    let folder = Folder::new("stranger");
    let of_a_stranger = RedisServer::with_tls(certificates(&folder.0, "IP:127.0.0.1"));
    let error = store(&of_a_stranger).certificate_authority(authority).load(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    let error = store(&of_a_stranger).certificate_authority("canary").load(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn plain_text_never_takes_the_place_of_tls() {
    let server = RedisServer::start();
    let url = server.url().replace("redis://", "rediss://");
    let store = Redis::new(&url, SealingKey::from_bytes([1; 32])).danger_plain_text();
    let error = store.load(&RecordKey::new("issuer", "client", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
}
