use std::future::pending;
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, Handle};

use crate::error::{Error, Result};

/// Waits for anything that this crate does asynchronously.
///
/// ```
/// # fn main() -> hallpass::Result<()> {
/// use hallpass::{Application, blocking::wait};
/// # use hallpass::testing::TestProvider;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # let provider = runtime.block_on(TestProvider::start());
/// # let application = Application::new(provider.issuer(), provider.confidential_client_id())
/// #     .client_auth(hallpass::ClientAuth::client_secret_basic(provider.client_secret()));
///
/// let service = application.client_credentials().audience("https://api.acme.com");
/// let token = wait(service.token())?;
/// assert!(token.expires_at().is_some());
/// # Ok(()) }
/// ```
///
/// # Errors
/// What the future errs with; `Configuration` on a thread of an async runtime.
pub fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    if Handle::try_current().is_ok() {
        return Err(Error::configuration(
            "this thread belongs to an async runtime, where nothing may block; use the async API instead of hallpass::blocking",
        ));
    }
    runtime()?.block_on(future)
}

/// The runtime of this crate's futures. Another thread drives it, so renewals go on while no call waits.
pub(super) fn runtime() -> Result<&'static Handle> {
    static RUNTIME: OnceLock<Result<Handle>> = OnceLock::new();
    let start = || {
        let failed = |error| {
            Error::configuration("the thread for blocking calls could not be started; let this process have one more")
                .with_source(error)
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name("hallpass".to_owned()).spawn(move || runtime.block_on(pending::<()>())).map_err(failed)?;
        Ok(handle)
    };
    RUNTIME.get_or_init(start).as_ref().map_err(Clone::clone)
}
