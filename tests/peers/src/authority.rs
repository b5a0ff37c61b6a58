use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// A new authority, made with OpenSSL. The certificates are in a folder that is removed with it.
pub struct Authority(PathBuf);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// # Panics
    /// When there is no OpenSSL.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("hallpass-authority-{}-{number}", process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let authority = Self(folder);
        authority.make("authority", "/CN=Authority", "");
        authority
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// For whatever stands at this name: `IP:127.0.0.1`, `DNS:localhost`.
    pub fn server(&self, name: &str) -> Certificate {
        let signed = "-CA authority.pem -CAkey authority.key -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=";
        self.make("server", "/CN=Server", &format!("{signed}{name}"))
    }

    /// For a client, whose common name this is.
    pub fn client(&self, name: &str) -> Certificate {
        let usage = "-addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth";
        self.make(name, &format!("/CN={name}"), &format!("-CA authority.pem -CAkey authority.key {usage}"))
    }

    /// One that the authority has nothing to do with.
    pub fn self_signed(&self, name: &str) -> Certificate {
        self.make(name, &format!("/CN={name}"), "")
    }

    /// A file beside the certificates.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("the folder is there");
        path
    }

    /// The output of `openssl`, run in the folder.
    pub fn openssl(&self, arguments: &str) -> String {
        openssl(&self.0, arguments)
    }

    fn make(&self, name: &str, subject: &str, signed: &str) -> Certificate {
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        self.openssl(&format!("{new} -keyout {name}.key -out {name}.pem -subj {subject} {signed}"));
        Certificate { certificate: self.0.join(format!("{name}.pem")), key: self.0.join(format!("{name}.key")) }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

impl Certificate {
    /// Certificate and key, for a client that shows them.
    pub fn identity(&self) -> reqwest::Identity {
        let pem = [&self.certificate, &self.key].map(|path| fs::read(path).expect("OpenSSL wrote it")).concat();
        reqwest::Identity::from_pem(&pem).expect("a certificate and its key")
    }

    /// The claim of a token that is bound to it: `x5t#S256` (RFC 8705, section 3.1).
    pub fn thumbprint(&self) -> String {
        let folder = self.certificate.parent().expect("a file in a folder");
        let printed = openssl(folder, &format!("x509 -noout -fingerprint -sha256 -in {}", self.certificate.display()));
        let (_, hexadecimal) = printed.trim().split_once('=').expect("a fingerprint");
        let bytes: Vec<u8> = hexadecimal.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split_whitespace()).stderr(Stdio::null());
    let output = command.output().expect("OpenSSL is there: run tests/peers/install");
    assert!(output.status.success(), "openssl {arguments}");
    String::from_utf8(output.stdout).expect("text")
}
