//! From a grant to tokens (RFC 6749, sections 3.2 and 5), and what can be asked about tokens afterwards.

mod advice;
mod exchange;
mod grant;
mod introspection;
mod issued;
mod parameters;
mod polling;
mod renewal;
mod response;
mod revocation;

pub use exchange::TokenExchange;
pub use grant::Grant;
pub use introspection::Introspection;
pub use issued::IssuedToken;
pub(crate) use parameters::{Parameters, check_parameter, scopes};
pub(crate) use polling::{AwaitedGrant, Polling, interval};
pub(crate) use renewal::{Target, no_refresh_token};
pub(crate) use response::{Seconds, TokenResponse, are_authorization_details};

use std::sync::Arc;
use std::time::Instant;

use crate::access_token::AccessToken;
use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::{Credentials, Parts, WholeSeconds};
use crate::dpop::DpopKey;
use crate::endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::form::Form;
use crate::provider::{Expected, Flow, IdToken, Metadata, Purpose};
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::transport::{self, Reply};

/// The request of a grant, which decides the content of the answer.
pub(crate) struct Asked<'a> {
    pub(crate) scope: &'a Arc<str>,
    /// The API that the access token is to be for.
    pub(crate) api: Option<&'a RequestedApi>,
    pub(crate) flow: Flow<'a>,
    /// Secrets that the request does not hold, and that no error may repeat.
    pub(crate) hidden: &'a [&'a str],
}

/// An authorization code is redeemed once: no failure repeats the request.
pub(crate) async fn redeem_code(
    application: &Application,
    metadata: &Metadata,
    code: &str,
    redirect_uri: &str,
    code_verifier: &str,
    asked: Asked<'_>,
) -> Result<Credentials> {
    let mut form =
        Form::new("authorization_code").with("code", code).with("redirect_uri", redirect_uri).with("code_verifier", code_verifier);
    if let Some(api) = asked.api {
        api.repeat_in(&mut form);
    }
    let response = request(application, metadata, form, asked.hidden).await?;
    accept(application, metadata, response, asked).await
}

/// The answer to a grant of a person's login becomes credentials when its ID token is good.
pub(crate) async fn accept(
    application: &Application,
    metadata: &Metadata,
    response: TokenResponse,
    asked: Asked<'_>,
) -> Result<Credentials> {
    let id_token = match response.id_token() {
        Some(text) => Some(verify_id_token(application, metadata, text, response.access_token.expose(), asked.flow).await?),
        None if !holds_scope(asked.scope, "openid") => None,
        // RFC 8693 and RFC 7523 know no ID token.
        None if matches!(asked.flow, Flow::Exchange { .. }) && asked.flow.demands_nothing() => None,
        None if application.accepts_missing_id_token() && asked.flow.demands_nothing() => None,
        None if asked.flow.demands_nothing() => {
            return Err(Error::new(
                ErrorKind::IdToken,
                "the provider sent no ID token although the scope holds openid; leave openid out of the scope if it never sends one",
            ));
        }
        None => {
            return Err(Error::new(
                ErrorKind::IdToken,
                "the provider sent no ID token, which has to prove the organization, max_age or acr that was asked for; only the provider can correct that",
            ));
        }
    };
    Ok(credentials(application, metadata, response, id_token, asked.scope, asked.api))
}

/// For grants that give an access token and nothing that is kept beyond it.
pub(crate) async fn request_access_token(application: &Application, form: Form) -> Result<AccessToken> {
    let metadata = application.provider().metadata().await?;
    Ok(request(application, &metadata, form, &[]).await?.access_token)
}

/// A grant, sent once. What comes back is well-formed, and its ID token not verified yet.
pub(crate) async fn request(application: &Application, metadata: &Metadata, form: Form, hidden: &[&str]) -> Result<TokenResponse> {
    request_by(transport::deadline(), application, metadata, form, hidden).await
}

async fn request_by(
    deadline: Instant,
    application: &Application,
    metadata: &Metadata,
    form: Form,
    hidden: &[&str],
) -> Result<TokenResponse> {
    let reply = post_by(deadline, application, metadata, form, hidden).await?;
    TokenResponse::read(&reply, application, application.time().now())
}

async fn post(application: &Application, metadata: &Metadata, form: Form, hidden: &[&str]) -> Result<Reply> {
    post_by(transport::deadline(), application, metadata, form, hidden).await
}

async fn post_by(deadline: Instant, application: &Application, metadata: &Metadata, form: Form, hidden: &[&str]) -> Result<Reply> {
    if let (Some(key), Some(algorithms)) = (application.dpop_key(), &metadata.dpop_algorithms) {
        refuse_unknown_algorithm(key, algorithms)?;
    }
    endpoint::post_with_proof(deadline, application, "the token request", metadata.token_endpoint.url()?, form, hidden).await
}

fn refuse_unknown_algorithm(key: &DpopKey, known: &[String]) -> Result<()> {
    let own = key.algorithm().name();
    if known.iter().any(|known| known == own) {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the provider takes no DPoP proofs signed with {own}; make the key with DpopKey::generate_with for another algorithm"
    )))
}

async fn verify_id_token(
    application: &Application,
    metadata: &Metadata,
    text: &Secret,
    access_token: &str,
    flow: Flow<'_>,
) -> Result<IdToken> {
    let expected = Expected { parties: application.parties(metadata, Purpose::IdToken), access_token, flow };
    application.provider().verify_id_token(text, &expected).await
}

fn credentials(
    application: &Application,
    metadata: &Metadata,
    response: TokenResponse,
    id_token: Option<IdToken>,
    scope: &str,
    api: Option<&RequestedApi>,
) -> Credentials {
    let after_receipt = |moment: Option<Timestamp>| moment.and_then(|moment| WholeSeconds::new(moment.since(response.received)));
    Credentials::new(Parts {
        refresh_token_life: after_receipt(response.refresh_until),
        refresh_in: after_receipt(response.refresh_at),
        requested: application.requested(&metadata.issuer, scope, api),
        access_token: response.access_token,
        received: response.received,
        refresh_token: response.refresh_token,
        id_token,
        id_token_refusal: None,
        scope: response.scope,
        authorization_details: response.authorization_details,
    })
}

pub(crate) fn holds_scope(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|own| own == scope)
}
