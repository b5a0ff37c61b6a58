//! The application: its routes, and what each does.

mod browsers;
mod pages;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, RawQuery, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hallpass::store::Memory;
use hallpass::web_auth::Logout;
use hallpass::{Application, AuthorizedClient, CredentialsManager, ErrorKind, PendingLogin, Secret};
use serde::Deserialize;
use url::Url;

use browsers::{Browsers, LOGIN, SESSION, cookie, forget, remember, unguessable};

pub(crate) struct App {
    /// One manager, and a session of it for each person: with replicas, on `store::Redis`.
    sessions: CredentialsManager,
    browsers: Browsers,
    /// One client for all calls to the API; each request is given the token of whoever it is for.
    http: reqwest::Client,
    api: Url,
    home: Url,
}

impl App {
    pub(crate) fn new(
        application: Application,
        audience: &str,
        home: Url,
        api: Url,
    ) -> Result<Arc<Self>, Box<dyn Error + Send + Sync>> {
        let auth = application
            .web_auth()
            .redirect_uri(home.join("callback")?)
            .audience(audience)
            .scope("openid profile email offline_access read:messages");
        Ok(Arc::new(Self {
            sessions: CredentialsManager::new(auth, Memory::new()),
            browsers: Browsers::default(),
            http: reqwest::Client::builder().redirect(AuthorizedClient::redirect_policy()).build()?,
            api,
            home,
        }))
    }

    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/login", get(log_in))
            .route("/callback", get(callback))
            .route("/messages", get(messages))
            .route("/logout", post(log_out))
            .with_state(self)
    }

    /// The session of whoever sent this request.
    fn session(&self, headers: &HeaderMap) -> Option<CredentialsManager> {
        let id = cookie(headers, SESSION).filter(|id| self.browsers.know(id))?;
        Some(self.sessions.session(id))
    }
}

async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let Some(session) = app.session(&headers) else { return Ok(pages::welcome()) };
    let Some(user) = session.user().await? else { return Ok(pages::welcome()) };
    let csrf = cookie(&headers, SESSION).and_then(|id| app.browsers.csrf(id)).unwrap_or_default();
    let name = user.name().unwrap_or_else(|| user.subject().into());
    Ok(pages::profile(&name, user.email().as_deref(), &csrf))
}

/// The first half of a login. What only it knows stays here, and this browser gets a name for it.
async fn log_in(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let login = app.sessions.web_auth().begin().await?;
    let id = app.browsers.keep_login(login.to_secret_string());
    Ok(([(SET_COOKIE, remember(LOGIN, &id))], to(login.url())).into_response())
}

/// The second half: it has to come from the browser that the first half was for.
async fn callback(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let kept = cookie(&headers, LOGIN).and_then(|id| app.browsers.take_login(id));
    let Some(kept) = kept else { return Ok(pages::again()) };
    let login = PendingLogin::from_secret_string(&kept)?;
    let credentials = app.sessions.web_auth().finish(login, &query.unwrap_or_default()).await?;
    if let Some(before) = app.session(&headers) {
        before.clear().await?;
    }
    // A new session: a name that somebody has put into this browser before is worth nothing.
    let id = unguessable();
    app.sessions.session(&id).save(&credentials).await?;
    app.browsers.welcome(&id, cookie(&headers, SESSION));
    let cookies = [(SET_COOKIE, remember(SESSION, &id)), (SET_COOKIE, forget(LOGIN))];
    Ok((axum::response::AppendHeaders(cookies), to(&app.home)).into_response())
}

/// What the API says to this person's token, which is renewed when it has to be.
async fn messages(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let Some(session) = app.session(&headers) else { return Ok(pages::welcome()) };
    let api = AuthorizedClient::wrap(app.http.clone(), session).base_url(&app.api)?;
    let answer = api.get("messages").send().await?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    Ok(pages::messages(status.as_u16(), &text))
}

#[derive(Deserialize)]
struct LogOut {
    csrf: String,
}

/// Forgets the person here, revokes their tokens, and ends their session at the provider.
async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<LogOut>) -> Result<Response, Failure> {
    let Some(id) = cookie(&headers, SESSION).filter(|id| app.browsers.know(id)) else { return Ok(pages::welcome()) };
    // Another site can make this browser post a form, but cannot know what stands in ours. Compared in constant time.
    if app.browsers.csrf(id).map(Secret::new) != Some(Secret::new(form.csrf)) {
        return Ok(pages::forged());
    }
    // The person is logged out here, whatever the store and the provider do, and also when this request is broken off.
    app.browsers.forget(id);
    let session = app.sessions.session(id);
    let mut logout = Logout::new().return_to(app.home.clone());
    if let Ok(credentials) = session.credentials().await {
        logout = logout.of(&credentials);
    }
    if let Err(error) = session.revoke().await {
        eprintln!("the refresh token could not be revoked: {error}");
        // As where the provider revokes nothing.
        session.clear().await.unwrap_or_else(|error| eprintln!("the credentials could not be removed: {error}"));
    }
    // Not every provider has a page for this: then its session goes on.
    let next = app.sessions.web_auth().logout_url(&logout).await.unwrap_or_else(|error| {
        eprintln!("the session at the provider goes on: {error}");
        app.home.clone()
    });
    Ok(([(SET_COOKIE, forget(SESSION))], to(&next)).into_response())
}

fn to(url: &Url) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, url.as_str())]).into_response()
}

/// What a person sees when something went wrong; why is for the log.
struct Failure(hallpass::Error);

impl From<hallpass::Error> for Failure {
    fn from(error: hallpass::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self.0.kind() {
            _ if self.0.is_login_required() => (StatusCode::SEE_OTHER, [(LOCATION, "/login")]).into_response(),
            ErrorKind::Callback => pages::again(),
            ErrorKind::Cancelled => pages::welcome(),
            _ => {
                eprintln!("{}", self.0);
                pages::trouble()
            }
        }
    }
}
