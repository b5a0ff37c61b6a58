use http::Method;
use http::header::AUTHORIZATION;
use serde::Deserialize;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::form::repeats;
use crate::json::Text;
use crate::provider::{Claims, Metadata, Purpose};
use crate::transport::{self, Reply};

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow)]
    sub: Text<'a>,
}

impl Application {
    /// Asks the provider for the person's profile (OpenID Connect Core 1.0, section 5.3). The granted scope decides about its
    /// claims: `profile`, `email`. Auth0 answers about five such requests a minute for a person; [`Credentials::user`] sends none.
    /// A signed answer, which an application can be registered for, is verified.
    ///
    /// # Errors
    /// `InvalidResponse` when the answer is about another person or about none, or its signature is not the provider's;
    /// `Configuration` when the credentials are another issuer's or application's, in which case nothing is sent; `Discovery` when
    /// the provider has no such endpoint; `Server`, `Network`, `TimedOut`.
    pub async fn user_info(&self, credentials: &Credentials) -> Result<Claims> {
        let metadata = self.provider().metadata().await?;
        self.owns(credentials, &metadata.issuer)?;
        let url = metadata.userinfo_endpoint.url()?;
        let url = if self.auth().is_mutual_tls() { metadata.for_mutual_tls(url) } else { url };
        let mut proofs = credentials.access_token().proofs();
        let deadline = transport::deadline();
        let reply = loop {
            let mut request = reqwest::Request::new(Method::GET, url.clone());
            request.headers_mut().insert(AUTHORIZATION, credentials.access_token().header_value().clone());
            proofs.put(&mut request)?;
            let reply = self.provider().transport().send_by(deadline, CONTEXT, request).await?.unless_redirect()?;
            if !proofs.must_repeat(url, &reply.headers, || endpoint::asks_for_nonce(&reply)) {
                break reply;
            }
        };
        let token = credentials.access_token().expose();
        if let Some(refusal) = endpoint::refusal(&reply, CONTEXT, self, |text| repeats(text, token)) {
            return Err(refusal);
        }
        read(&reply, self, &metadata, credentials.user().map(Claims::subject)).await
    }
}

/// The claims of an answer, when it is about `person`.
pub(crate) async fn read(reply: &Reply, application: &Application, metadata: &Metadata, person: Option<&str>) -> Result<Claims> {
    let (claims, subject) = if is_jwt(reply.content_type()) {
        // Section 5.3.2: "If signed, the UserInfo Response MUST contain the Claims iss (issuer) and aud (audience) as members."
        let parties = application.parties(metadata, Purpose::UserInfo);
        let text = std::str::from_utf8(reply.body())
            .map_err(|error| refused("it is no JWT; only the provider can correct that").with_source(error))?;
        let jws = application.provider().verify(text, &parties, &[]).await?;
        let subject = Box::<str>::from(&*parties.claims::<Subject<'_>>(&jws.payload, "iss, aud and sub")?.sub);
        (jws.payload, subject)
    } else {
        (reply.body().to_vec(), Box::from(&*reply.json::<Subject<'_>>()?.sub))
    };
    // OpenID Connect Core 1.0, section 5.3.2: "The sub Claim in the UserInfo Response MUST be verified to exactly match
    // the sub Claim in the ID Token; if they do not match, the UserInfo Response values MUST NOT be used."
    if subject.is_empty() || person.is_some_and(|person| *person != *subject) {
        return Err(refused("it is about another person than the one who logged in; log in again"));
    }
    Ok(Claims::new(claims, subject))
}

fn is_jwt(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/jwt"))
}

fn refused(why: &str) -> Error {
    Purpose::UserInfo.refused(why)
}

const CONTEXT: &str = "the request for user info";
