use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::Request;
use url::Url;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::client_auth::method::Addressee;
use crate::endpoint;
use crate::error::Result;
use crate::form::{Form, leaks_into, repeats};
use crate::json_form::JsonForm;
use crate::provider::Metadata;
use crate::secret::Secret;
use crate::transport::Reply;

/// A call of Auth0's own, which takes JSON. Neither its errors nor their causes repeat what is hidden in it.
pub(super) struct Call<'a> {
    application: &'a Application,
    context: &'static str,
    request: Request,
    hidden: Vec<&'a str>,
    /// The application's authentication.
    proof: Form,
}

impl<'a> Call<'a> {
    /// `context` names the call in messages, `path` is relative to the issuer.
    pub(super) fn new(application: &'a Application, context: &'static str, method: Method, path: &str) -> Result<Self> {
        let url = application.provider().url(path)?;
        Ok(Self::to(application, context, method, url))
    }

    pub(super) fn to(application: &'a Application, context: &'static str, method: Method, url: Url) -> Self {
        Self { application, context, request: Request::new(method, url), hidden: Vec::new(), proof: Form::default() }
    }

    /// No error repeats this.
    #[must_use]
    pub(super) fn hiding(mut self, secret: &'a str) -> Self {
        self.hidden.push(secret);
        self
    }

    /// Sends the token of the first factor, for the person whom it belongs to.
    pub(super) fn bearing(mut self, mfa_token: &'a Secret) -> Result<Self> {
        let header = AccessToken::bearer(mfa_token.clone())?.header_value().clone();
        self.request.headers_mut().insert(AUTHORIZATION, header);
        Ok(self.hiding(mfa_token.expose()))
    }

    /// Sends the client ID, for calls that need no authentication.
    pub(super) fn identified(self, body: JsonForm) -> Self {
        let body = body.with("client_id", self.application.client_id());
        self.holding(body)
    }

    /// Authenticates a confidential application. Auth0 reads the authentication from the body, for any method.
    pub(super) fn authenticated(mut self, metadata: &Metadata, body: JsonForm) -> Result<Self> {
        let to = Addressee {
            client_id: self.application.client_id(),
            issuer: &metadata.issuer,
            token_endpoint: metadata
                .token_endpoint
                .url()
                .ok()
                .map(Url::as_str)
                .filter(|_| self.application.is_named_by_the_program()),
            algorithms: metadata.client_auth_algorithms.as_deref(),
            now: self.application.time().now(),
        };
        self.application.auth().authenticate_in_body(&to, &mut self.proof)?;
        let fields = self.proof.clone();
        Ok(self.holding(body.with_fields(fields)))
    }

    fn holding(mut self, body: JsonForm) -> Self {
        self.request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *self.request.body_mut() = Some(body.into_bytes().into());
        self
    }

    pub(super) async fn send(self) -> Result<Reply> {
        let Self { application, context, request, hidden, proof } = self;
        let reply = application.provider().transport().send(context, request).await?;
        let (client_auth, client_id) = (application.auth(), application.client_id());
        let proof = proof.into_bytes();
        let leaks = |text: &str| {
            leaks_into(&proof, text) || client_auth.leaks_into(client_id, text) || hidden.iter().any(|secret| repeats(text, secret))
        };
        match endpoint::refusal(&reply, context, application, leaks) {
            Some(refusal) => Err(refusal),
            None => Ok(reply),
        }
    }
}
