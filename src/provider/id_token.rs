use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::clock::Timestamp;
use crate::crypto::{Algorithm, equal};
use crate::error::{Error, Result};
use crate::jose::{CompactJws, base64url_onto};
use crate::json::{self, Text};
use crate::provider::jwt::{Audience, NumericDate, Parties, Purpose};
use crate::provider::keys::Keys;
use crate::provider::{Claims, Demands, IssuerAlias};
use crate::secret::Secret;

/// A verified ID token: who has logged in, as the provider signed it.
///
/// One that exists was checked in full when it came (OpenID Connect Core 1.0, section 3.1.3.7): there is nothing left to
/// validate. One from a [store](crate::store) is as good as the store: its signature is not looked at again.
#[derive(Clone)]
pub struct IdToken {
    raw: Secret,
    claims: Claims,
    issued_at: Timestamp,
    expires_at: Timestamp,
    auth_time: Option<Timestamp>,
}

/// The expectations of an ID token.
pub(crate) struct Expected<'a> {
    pub(crate) parties: Parties<'a>,
    pub(crate) access_token: &'a str,
    pub(crate) flow: Flow<'a>,
}

/// The request that an ID token came from.
pub(crate) enum Flow<'a> {
    /// A code exchange: it must answer this very login. Without a redirect, there was no code.
    Login { nonce: Option<&'a str>, code: Option<&'a str>, demands: &'a Demands },
    /// From a grant that starts no login. It need not bring an ID token.
    Exchange { demands: &'a Demands },
    /// From a refresh: it must be about the same person as before (OpenID Connect Core 1.0, section 12.2).
    Refresh { previous: Option<&'a IdToken> },
}

impl Flow<'_> {
    /// Of the ID token, beside who it is about.
    pub(crate) fn demands_nothing(&self) -> bool {
        match self {
            Self::Login { demands, .. } | Self::Exchange { demands } => demands.are_none(),
            Self::Refresh { .. } => true,
        }
    }
}

/// The claims that are checked; times are seconds since 1970.
#[derive(Deserialize)]
struct Checked<'a> {
    #[serde(borrow)]
    iss: Text<'a>,
    #[serde(borrow)]
    sub: Text<'a>,
    #[serde(borrow)]
    aud: Audience<'a>,
    #[serde(borrow, default)]
    azp: Option<Text<'a>>,
    exp: NumericDate,
    iat: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    /// None also when it is of another type: it matters only where `max_age` was asked for.
    #[serde(default, deserialize_with = "number_or_none")]
    auth_time: Option<NumericDate>,
    #[serde(borrow, default)]
    nonce: Option<Text<'a>>,
    #[serde(borrow, default)]
    at_hash: Option<Text<'a>>,
    #[serde(borrow, default)]
    c_hash: Option<Text<'a>>,
}

fn number_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NumericDate>, D::Error> {
    let value = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(value.get()).ok())
}

/// OpenID Connect Core 1.0, section 3.1.3.7. The cheap claims come before the key: a stranger's token costs little.
pub(super) async fn verify(text: &Secret, expected: &Expected<'_>, keys: &Keys) -> Result<IdToken> {
    let parties = &expected.parties;
    let jws = parties.parse(text.expose())?;
    let claims: Checked<'_> = parties.claims(&jws.payload, "iss, sub, aud, exp and iat of the right types")?;
    parties.check_issuer(&claims.iss, &jws.payload)?;
    parties.check_audience(&claims.aud, claims.azp.as_ref())?;
    if claims.sub.is_empty() || claims.sub.len() > 255 {
        return Err(refused("sub is not of 1 to 255 bytes; correct the person's identifier at the provider"));
    }
    parties.check_times(Some(claims.exp), Some(claims.iat), claims.nbf)?;
    match &expected.flow {
        Flow::Login { nonce, code, demands } => check_login(&claims, &jws, parties, (*nonce, *code), demands)?,
        Flow::Exchange { demands } => check_login(&claims, &jws, parties, (None, None), demands)?,
        Flow::Refresh { previous } => {
            if let Some(previous) = previous {
                check_same_person(&claims, previous)?;
                check_same_tenant(&claims, previous, parties)?;
            }
        }
    }
    if claims.at_hash.as_ref().is_some_and(|hash| !is_half_hash(hash, jws.algorithm, expected.access_token)) {
        return Err(refused("at_hash is not that of the access token; start the login anew"));
    }

    parties.verify_signature(&jws, keys).await?;
    let (issued_at, expires_at) = (claims.iat.timestamp(), claims.exp.timestamp());
    let auth_time = claims.auth_time.map(NumericDate::timestamp);
    let subject = Box::from(&*claims.sub);
    Ok(IdToken { raw: text.clone(), claims: Claims::of_jws(text.clone(), subject), issued_at, expires_at, auth_time })
}

/// "If the max_age request is made […] the Client SHOULD check the auth_time Claim value"; here it must.
fn check_auth_time(claims: &Checked<'_>, max_age: Duration, parties: &Parties<'_>) -> Result<()> {
    let Some(auth_time) = claims.auth_time else {
        return Err(refused(
            "auth_time is missing or no number, though max_age was asked for; leave max_age out if the provider never sends it so",
        ));
    };
    if auth_time.timestamp().plus(max_age).plus(parties.leeway) < parties.now {
        return Err(parties.untimely("the person logged in longer ago than the max_age that was asked for, at", auth_time));
    }
    // Clocks of other hosts are off more often than those that sign, so that more than the leeway is forgiven.
    if auth_time.timestamp() > parties.now.plus(MOST_AHEAD).plus(parties.leeway) {
        return Err(parties.untimely("the person is said to log in only at", auth_time));
    }
    Ok(())
}

/// Checks that the ID token answers this login, by the nonce and the code of its request.
fn check_login(
    claims: &Checked<'_>,
    jws: &CompactJws<'_>,
    parties: &Parties<'_>,
    (nonce, code): (Option<&str>, Option<&str>),
    demands: &Demands,
) -> Result<()> {
    match (&claims.nonce, nonce) {
        (Some(own), Some(sent)) if equal(own.as_bytes(), sent.as_bytes()) => {}
        (None, None) => {}
        (None, Some(_)) if parties.tolerances.missing_nonce => {}
        (None, Some(_)) => {
            return Err(refused(
                "nonce is missing; start the login again, or use danger_accept_missing_nonce() for a provider that never sends one",
            ));
        }
        (Some(_), _) => return Err(refused("nonce is another login's; start the login again")),
    }
    if claims.c_hash.as_ref().zip(code).is_some_and(|(hash, code)| !is_half_hash(hash, jws.algorithm, code)) {
        return Err(refused("c_hash is not that of the authorization code; start the login anew"));
    }
    if let Some(max_age) = demands.max_age {
        check_auth_time(claims, max_age, parties)?;
    }
    if demands.person.as_deref().is_some_and(|person| *person != *claims.sub) {
        return Err(refused("sub is another person than the one whose login this is; log in as that person"));
    }
    if let Some(organization) = &demands.organization
        && !organization.is_named_by(&jws.payload)
    {
        return Err(refused(
            "org_id or org_name is missing or not the organization that was asked for; log in to that organization",
        ));
    }
    if !demands.acr_is_in(&jws.payload) {
        return Err(refused("acr is missing or none of those that were demanded; set up at the provider how to log in so"));
    }
    Ok(())
}

fn check_same_person(claims: &Checked<'_>, previous: &IdToken) -> Result<()> {
    if &*claims.sub != previous.claims.subject() {
        return Err(refused("sub is not the person who had logged in; log in again"));
    }
    // "it SHOULD NOT have a nonce Claim, […] however, if it is present, its value MUST be the same as in the ID Token issued
    // at the time of the original authentication".
    if let Some(nonce) = &claims.nonce
        && previous.claims.get::<String>("nonce").is_some_and(|first| first != **nonce)
    {
        return Err(refused("nonce is not that of the login before; log in again"));
    }
    match (claims.auth_time, previous.auth_time) {
        (Some(now), Some(before)) if now.timestamp() < before => {
            Err(refused("auth_time is earlier than before the refresh; log in again"))
        }
        _ => Ok(()),
    }
}

/// "its iss Claim Value MUST be the same as in the ID Token issued when the original authentication occurred": where one name
/// stands for many issuers. Of a single one, each of its names will do.
fn check_same_tenant(claims: &Checked<'_>, previous: &IdToken, parties: &Parties<'_>) -> Result<()> {
    let is_of_many = parties.issuer_alias.is_some_and(IssuerAlias::names_tenants);
    if is_of_many && previous.claims.get::<String>("iss").is_none_or(|first| first != *claims.iss) {
        return Err(refused("iss is not the tenant of the login before; log in again"));
    }
    Ok(())
}

/// OpenID Connect Core 1.0, section 3.1.3.6: "the left-most half of the hash of the octets of the ASCII representation".
fn is_half_hash(hash: &str, algorithm: Algorithm, of: &str) -> bool {
    let mut encoded = [0; 43];
    let length = base64url_onto(&mut encoded, algorithm.digest(of.as_bytes()).left_half());
    equal(hash.as_bytes(), &encoded[..length])
}

fn refused(why: &str) -> Error {
    Purpose::IdToken.refused(why)
}

impl IdToken {
    /// One that was verified when it was stored: its signature is not looked at again.
    pub(crate) fn restore(raw: Secret) -> Option<Self> {
        let jws = CompactJws::parse(raw.expose(), &["JWT"]).ok()?;
        let claims: Checked<'_> = json::object(&jws.payload).ok()?;
        let (issued_at, expires_at) = (claims.iat.timestamp(), claims.exp.timestamp());
        let auth_time = claims.auth_time.map(NumericDate::timestamp);
        let subject = Box::from(&*claims.sub);
        drop(claims);
        Some(Self { claims: Claims::of_jws(raw.clone(), subject), raw, issued_at, expires_at, auth_time })
    }

    /// The claims about the person.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// `sub`: who it is.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.claims.subject()
    }

    /// The token itself, as `id_token_hint` or for a back end of yours. It is no access token.
    #[must_use]
    pub fn raw(&self) -> &Secret {
        &self.raw
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> OffsetDateTime {
        self.issued_at.to_offset_date_time()
    }

    /// `exp`: until when it may be presented; it says nothing about how long the person stays logged in.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at.to_offset_date_time()
    }

    /// `auth_time`: when the person proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Option<OffsetDateTime> {
        self.auth_time.map(Timestamp::to_offset_date_time)
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken").field("claims", &self.claims).field("expires_at", &self.expires_at()).finish_non_exhaustive()
    }
}

/// The time by which `auth_time` may be ahead of the clock.
const MOST_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::application::Application;
    use crate::testing::{Endpoint, TestBrowser, TestProvider};

    /// With keys that are here already, a verification waits for nothing.
    #[tokio::test]
    async fn a_verification_with_warm_keys_costs_eight_allocations_at_most() {
        let provider = TestProvider::start().await;
        provider.always_id_token(|token| {
            token.set_at_hash().set("https://acme.com/roles", ["admin", "editor"]);
        });
        let application = Application::new(provider.issuer(), provider.client_id());
        let auth = application.web_auth().redirect_uri("http://127.0.0.1:9999/callback").max_age(Duration::from_secs(60));
        let login = auth.begin().await.unwrap();
        let nonce = login.secrets.nonce().to_owned();
        let callback = TestBrowser::new().visit(login.url()).await.unwrap();
        let credentials = auth.finish(login, &callback).await.unwrap();
        let metadata = application.provider().metadata().await.unwrap();
        let text = credentials.id_token().unwrap().raw();
        let expected = Expected {
            parties: application.parties(&metadata, Purpose::IdToken),
            access_token: credentials.access_token().expose(),
            flow: Flow::Login {
                nonce: Some(&nonce),
                code: Some("code"),
                demands: &Demands { max_age: Some(Duration::from_secs(60)), ..Demands::default() },
            },
        };
        let mut verified = None;
        let cost = allocation_counter::measure(|| {
            let verification = pin!(application.provider().verify_id_token(text, &expected));
            verified = Some(verification.poll(&mut Context::from_waker(Waker::noop())));
        });
        assert!(matches!(verified, Some(Poll::Ready(Ok(_)))), "{verified:?}");
        assert!(cost.count_total <= 8, "{cost:?}");
        assert_eq!(provider.count(Endpoint::Jwks), 1);
    }
}
