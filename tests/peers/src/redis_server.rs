use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use redis::aio::MultiplexedConnection;

use crate::authority::{Authority, Certificate};
use crate::process::Process;
use crate::signal::{Signal, wait_until_stopped};

/// A new Redis with a password, which writes everything to the disk at once: killed and started again, it has all records.
pub struct RedisServer {
    folder: PathBuf,
    port: u16,
    certificate: Option<(PathBuf, Certificate)>,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl RedisServer {
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::with(None, &[])
    }

    /// With more arguments of `redis-server`.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::with(None, arguments)
    }

    /// Takes nothing but TLS.
    pub fn with_tls(authority: &Authority, certificate: Certificate) -> Self {
        Self::with(Some((authority.certificate(), certificate)), &["--tls-auth-clients", "no"])
    }

    /// Takes nothing but TLS, of clients that show a certificate of the authority's.
    pub fn with_tls_for_clients(authority: &Authority, certificate: Certificate) -> Self {
        Self::with(Some((authority.certificate(), certificate)), &["--tls-auth-clients", "yes"])
    }

    /// With TLS and more arguments of `redis-server`.
    pub fn with_tls_and(authority: &Authority, certificate: Certificate, arguments: &[&str]) -> Self {
        Self::with(Some((authority.certificate(), certificate)), &[&["--tls-auth-clients", "no"], arguments].concat())
    }

    fn with(certificate: Option<(PathBuf, Certificate)>, arguments: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("hallpass-redis-{}-{number}", process::id()));
        // The numbers of processes come again, and one that was killed left its folder.
        _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        let mut server = Self {
            folder,
            port: free_port(),
            certificate,
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            process: None,
        };
        server.start_again();
        server
    }

    /// After [`kill`](Self::kill), with what it had.
    pub fn start_again(&mut self) {
        let port = self.port.to_string();
        let (plain, tls) = if self.certificate.is_some() { ("0", port.as_str()) } else { (port.as_str(), "0") };
        let mut command = Command::new("./redis.sh");
        command.args(["--bind", "127.0.0.1", "--port", plain, "--tls-port", tls, "--requirepass", PASSWORD]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        command.arg("--dir").arg(&self.folder).arg("--pidfile").arg(self.folder.join("pid"));
        if let Some((authority, own)) = &self.certificate {
            command.arg("--tls-ca-cert-file").arg(authority);
            command.arg("--tls-cert-file").arg(&own.certificate).arg("--tls-key-file").arg(&own.key);
        }
        command.args(&self.arguments);
        self.process = Some(Process::start(".", &mut command, "Ready to accept connections").0);
    }

    /// With the password.
    pub fn url(&self) -> String {
        self.url_with(PASSWORD)
    }

    pub fn url_with(&self, password: &str) -> String {
        self.url_of("", password)
    }

    pub fn url_of(&self, user: &str, password: &str) -> String {
        let scheme = if self.certificate.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it besides the library's, without TLS.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a good URL");
        client.get_multiplexed_async_connection().await.expect("Redis is there")
    }

    /// The output of `redis-cli`, with TLS too.
    ///
    /// # Panics
    /// When it is not there.
    pub fn cli(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-e", "--no-auth-warning", "-a", PASSWORD, "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.certificate.is_some() {
            command.args(["--tls", "--insecure"]);
        }
        let output = command.args(words).output().expect("redis-cli is there: run tests/peers/install");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{words:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        text
    }

    pub fn process_id(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join("pid")).expect("Redis says which process it is");
        text.trim().parse().expect("a number")
    }

    /// All that it has written to the disk: every command that changed something, as it came.
    pub fn written(&self) -> Vec<u8> {
        let (mut bytes, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the folder is there") {
                let path = entry.expect("the folder is there").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    bytes.extend(fs::read(path).expect("a file of Redis's"));
                }
            }
        }
        bytes
    }

    /// It takes connections and commands, and answers none.
    pub fn stop(&self) {
        Signal::Stop.send(self.process_id());
        wait_until_stopped(self.process_id());
    }

    pub fn go_on(&self) {
        Signal::Continue.send(self.process_id());
    }

    /// No process accepts connections there.
    pub fn kill(&mut self) {
        self.process = None;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Below those that the system gives to connections, so that it is still free after a while without the server.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = process::id().wrapping_mul(61) % 20_000;
    let candidates = std::iter::repeat_with(|| 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000);
    let mut ports = candidates.take(20_000).map(|port| u16::try_from(port).expect("at most 30,000"));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

pub(crate) const PASSWORD: &str = "correct-horse";
