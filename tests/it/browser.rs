use std::io::{self, BufReader, Cursor, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::testing::TestProvider;
use hallpass::web_auth::{Browser, PrintUrl, SystemBrowser};
use hallpass::{ErrorKind, Result, WebAuth};
use tokio::time::timeout;
use url::Url;

const SOON: Duration = Duration::from_secs(10);

/// The clipboard holds another text.
#[derive(Clone, Default)]
struct Clipboard(Arc<AtomicUsize>);

impl Browser for Clipboard {
    async fn open(&self, _: &Url) -> Result<()> {
        Ok(())
    }

    async fn pasted(&self) -> Result<String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok("something else".to_owned())
    }
}

/// E21: what is at hand at once leaves time for everybody else.
#[tokio::test]
async fn a_text_that_is_always_there_and_never_right_ends_with_the_time_for_the_login() {
    let (provider, clipboard) = (TestProvider::start().await, Clipboard::default());
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).ephemeral_port().browser(clipboard.clone());
    let error = auth.timeout(Duration::from_millis(500)).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!((2..=12).contains(&clipboard.0.load(Ordering::SeqCst)), "{:?}", clipboard.0);
}

fn login() -> Url {
    Url::parse("https://idp.example/authorize?state=a$(touch x)`id`;|&y='\"% #--new;rm -rf").unwrap()
}

/// Both ends of what a program prints or a person types.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// E21
#[tokio::test]
async fn the_url_is_printed_and_the_pasted_address_is_handed_on() {
    let screen = Screen::default();
    let browser =
        PrintUrl::to(screen.clone()).pasted_from(Cursor::new("\n  http://127.0.0.1:21965/callback?code=a&state=b \r\nmore\n"));
    browser.open(&login()).await.unwrap();
    assert!(screen.text().contains(&format!("\n{}\n", login())), "{}", screen.text());
    assert!(screen.text().contains("paste the address"));
    let pasted = timeout(SOON, browser.pasted()).await.unwrap().unwrap();
    assert_eq!(pasted, "http://127.0.0.1:21965/callback?code=a&state=b");
    assert_eq!(timeout(SOON, browser.pasted()).await.unwrap().unwrap(), "more");
}

/// E21
/// A line that arrives when the login has ended otherwise waits for the next one.
#[tokio::test]
async fn a_line_that_nobody_waits_for_any_more_is_not_lost() {
    let (reader, mut writer) = io::pipe().unwrap();
    let browser = PrintUrl::to(io::sink()).pasted_from(BufReader::new(reader));
    assert!(timeout(Duration::from_millis(20), browser.pasted()).await.is_err());
    writer.write_all(b"first\n").unwrap();
    assert_eq!(timeout(SOON, browser.pasted()).await.unwrap().unwrap(), "first");
}

#[tokio::test(start_paused = true)]
async fn an_input_that_has_ended_leaves_the_login_to_the_listener() {
    let browser = PrintUrl::to(io::sink()).pasted_from(Cursor::new("")).clone();
    assert!(timeout(SOON, browser.pasted()).await.is_err());
    assert!(timeout(SOON, PrintUrl::to(io::sink()).pasted()).await.is_err(), "nothing is read unasked");
}

/// E22, D4
#[tokio::test]
async fn nothing_but_web_pages_is_opened_or_printed() {
    let screen = Screen::default();
    for url in ["file:///etc/passwd", "javascript:alert(1)", "com.acme.app:/callback", "data:text/html,x"] {
        let url = Url::parse(url).unwrap();
        let printed = PrintUrl::to(screen.clone()).open(&url).await.unwrap_err();
        let opened = SystemBrowser::new().or(PrintUrl::to(screen.clone())).open(&url).await.unwrap_err();
        assert_eq!((printed.kind(), opened.kind()), (ErrorKind::Configuration, ErrorKind::Configuration), "{url}");
    }
    assert_eq!(screen.text(), "");
}

#[tokio::test]
async fn a_closure_is_a_browser() {
    async fn opened(browser: impl Browser) -> Result<()> {
        browser.open(&login()).await
    }
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    opened(move |url: &Url| -> Result<()> {
        *keep.lock().unwrap() = Some(url.clone());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(login()));
}

/// Runs the tests of the system's browser in another process, whose environment they choose.
#[cfg(target_os = "linux")]
mod system {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::process::{Command, Output};

    use super::*;

    const ROLE: &str = "HALLPASS_TEST_BROWSER_ROLE";

    /// The other process's part; no test alone.
    #[tokio::test]
    async fn in_a_process_of_its_own() {
        match std::env::var(ROLE).as_deref() {
            Ok("alone") => {
                let error = SystemBrowser::new().open(&login()).await.unwrap_err();
                eprintln!("[{:?}] {error}", error.kind());
            }
            Ok("fallback") => {
                let browser = SystemBrowser::new().or(PrintUrl::new().pasted_from(Cursor::new("http://127.0.0.1/callback?x\n")));
                browser.open(&login()).await.unwrap();
                eprintln!("[pasted] {}", timeout(SOON, browser.pasted()).await.unwrap().unwrap());
            }
            Ok("never found") => {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let opening = runtime.spawn(async {
                    let error = SystemBrowser::new().open(&login()).await.unwrap_err();
                    eprintln!("[{:?}] {error}", error.kind());
                });
                opening.await.unwrap();
                // It waits for the threads that it has lent out.
                tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
            }
            Ok("open") => SystemBrowser::new().open(&login()).await.unwrap(),
            _ => assert!(std::env::var_os(ROLE).is_none(), "an unknown role"),
        }
    }

    fn play(role: &str, environment: &[(&str, &str)]) -> Output {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "browser::system::in_a_process_of_its_own", "--nocapture", "--test-threads=1"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env(ROLE, role)
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    fn said(output: &Output) -> String {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// E21
    #[test]
    fn without_a_display_the_error_says_what_to_use_instead() {
        for (environment, why) in [
            (&[][..], "there is no display here"),
            (&[("SSH_CONNECTION", "127.0.0.1 1 127.0.0.1 22"), ("DISPLAY", "")][..], "this is a remote shell without a display"),
        ] {
            let said = said(&play("alone", environment));
            let expected = format!(
                "[Browser] no browser was opened, because {why}; show the URL with PrintUrl, or log in with the device flow"
            );
            assert!(said.contains(&expected), "{said}");
        }
    }

    /// E21
    #[test]
    fn without_a_display_the_url_goes_to_the_fallback_and_its_paste_is_taken() {
        let said = said(&play("fallback", &[]));
        assert!(said.contains(login().as_str()) && said.contains("[pasted] http://127.0.0.1/callback?x"), "{said}");
    }

    /// J13: the launcher's own program ends with the process that started it.
    #[test]
    fn a_program_ends_while_the_desktop_never_says_which_browser() {
        let folder = Folder::new("silent");
        let script = folder.0.join("xdg-settings");
        std::fs::write(&script, "#!/bin/sh\nexec tail --pid=$PPID -f /dev/null\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.0.display());
        let said = said(&play("never found", &[("DISPLAY", ":0"), ("PATH", &path)]));
        let expected = "[Browser] the system's browser was not found in 10 seconds, since what names it (xdg-settings on Linux) did \
                        not answer; show the URL with PrintUrl, or log in with the device flow";
        assert!(said.contains(expected), "{said}");
    }

    /// E22
    #[test]
    fn the_url_reaches_the_browser_as_one_argument() {
        let folder = Folder::new("arguments");
        let (script, pipe) = (folder.0.join("browser"), folder.0.join("arguments"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let lines = format!("#!/bin/sh\nfor argument in \"$@\"; do printf '<%s>\\n' \"$argument\"; done > '{}'\n", pipe.display());
        std::fs::write(&script, lines).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut arguments = String::new();
            BufReader::new(std::fs::File::open(pipe).unwrap()).read_to_string(&mut arguments).unwrap();
            sender.send(arguments)
        });
        let browser = format!("{} --new-window %s", script.display());
        said(&play("open", &[("BROWSER", &browser)]));
        assert_eq!(receiver.recv_timeout(SOON).unwrap(), format!("<--new-window>\n<{}>\n", login()));
    }

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hallpass-browser-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
