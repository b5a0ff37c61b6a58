use crate::error::Result;
use crate::manager::keeper::CredentialsManager;
use crate::store::CredentialsStore;
use crate::web_auth::builder::WebAuth;

/// The session of the person at this program: kept in `store` since an earlier start, or logged in now with their browser.
///
/// It is [`CredentialsManager::new`] and [`login_if_needed`](CredentialsManager::login_if_needed) in one. Ask for the scope
/// `offline_access`, or the session ends with its first access token.
///
/// ```
/// # async fn example() -> hallpass::Result<()> {
/// # use hallpass::store::Memory;
/// # use hallpass::testing::{Api, TestBrowser, TestProvider};
/// # use hallpass::{AuthorizedClient, WebAuth};
/// # let provider = TestProvider::start().await;
/// # let api = Api::start(&provider, "https://api.acme.com").await;
/// # let (domain, client_id, api_url, store) = (provider.issuer(), provider.client_id(), api.url(), Memory::new());
/// let auth = WebAuth::new(domain, client_id).audience("https://api.acme.com").scope("openid offline_access read:messages");
/// # let auth = auth.ephemeral_port().browser(TestBrowser::new());
/// let session = hallpass::stay_logged_in(auth, store).await?;
/// let client = AuthorizedClient::new(session)?.base_url(api_url)?;
/// assert_eq!(client.get("messages").send().await?.status(), 200);
/// # Ok(()) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
///
/// # Errors
/// Those of [`CredentialsManager::login_if_needed`].
///
/// # Dropping
/// Dropped while it waits for the browser, it ends the login, and nothing is stored; a renewal that has begun goes on.
pub async fn stay_logged_in(auth: impl Into<WebAuth>, store: impl CredentialsStore) -> Result<CredentialsManager> {
    let session = CredentialsManager::new(auth, store);
    session.login_if_needed().await?;
    Ok(session)
}
