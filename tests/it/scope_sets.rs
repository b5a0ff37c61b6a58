//! Scopes are sets, in whatever order, with whatever between them, and however often they are said.

use std::collections::BTreeSet;

use hallpass::testing::{Endpoint, Fault};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::at_random::cases;
use crate::two_halves::TwoHalves;

const SCOPES: [&str; 6] = ["openid", "profile", "read", "read:messages", "READ", "https://api.acme.com/read"];

fn set<'a>(scopes: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    scopes.into_iter().collect()
}

#[test]
fn what_was_asked_for_and_granted_are_sets() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let halves = runtime.block_on(TwoHalves::start());
    let asked = vec((select(&SCOPES[..]), select(&[" ", "  ", "\t", "\n "][..])), 0..8);
    let granted = proptest::option::of(vec(select(&SCOPES[..]), 0..6));
    proptest!(cases(24), |(asked in asked, granted in granted)| {
        let text: String = asked.iter().flat_map(|(scope, between)| [*scope, *between]).collect();
        let auth = halves.auth.clone().scope(format!(" {text} openid"));
        let asked: BTreeSet<&str> = asked.iter().map(|(scope, _)| *scope).chain(["openid"]).collect();
        let mut answer = Fault::new();
        if let Some(granted) = &granted {
            answer = answer.set("scope", granted.join(" "));
        }
        let credentials = runtime.block_on(async {
            let login = auth.begin().await.unwrap();
            let callback = halves.browser.visit(login.url()).await.unwrap();
            halves.provider.next(Endpoint::Token, answer);
            auth.finish(login, &callback).await.unwrap()
        });
        let sent = halves.provider.requests(Endpoint::Authorize).pop().unwrap().parameter("scope").unwrap();
        prop_assert_eq!(set(sent.split(' ')), asked.clone());

        // RFC 6749, section 5.1: "OPTIONAL, if identical to the scope requested by the client".
        let has = match &granted {
            Some(granted) => set(granted.iter().copied()),
            None => set(credentials.scope().split(' ').filter(|scope| !scope.is_empty())),
        };
        for scope in SCOPES {
            prop_assert_eq!(credentials.has_scope(scope), has.contains(scope), "{} of {:?}", scope, has);
        }
        prop_assert!(!credentials.has_scope("rea") && !credentials.has_scope("read read:messages"));
        let missing: BTreeSet<&str> = asked.difference(&has).copied().collect();
        prop_assert_eq!(set(credentials.missing_scopes()), missing);
    });
}
