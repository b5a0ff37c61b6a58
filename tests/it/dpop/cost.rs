use hallpass::dpop::ProofAlgorithm;
use hallpass::{AccessToken, AuthorizedClient};
use reqwest::Client;
use tokio::runtime::Builder;

use super::key;
use crate::allocations::api_elsewhere;
use crate::counting_allocator::allocations;

/// Against the same call with a bearer token.
#[test]
fn a_call_with_a_proof_costs_at_most_twelve_allocations_more() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let url = api_elsewhere();
    let cost = |token: AccessToken| {
        let client = AuthorizedClient::from_builder(Client::builder().no_proxy(), token).unwrap();
        let call = || {
            let request = client.inner().get(&url).build().unwrap();
            allocations(|| runtime.block_on(Box::pin(async { client.execute(request).await.unwrap().bytes().await.unwrap() }))).1
        };
        // The fewest of many: a pool's housekeeping or a read in two pieces costs some now and then.
        (0..50).map(|_| call()).min().unwrap()
    };
    let bearer = cost(AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA").unwrap());
    for algorithm in [ProofAlgorithm::Es256, ProofAlgorithm::EdDsa, ProofAlgorithm::Ps256] {
        let key = key(algorithm);
        let bound = cost(AccessToken::dpop("2YotnFZFEjr1zCsicMWpAA", key).unwrap());
        assert!(bound - bearer <= 12, "{algorithm:?}: {bound} against {bearer}");
    }
}
