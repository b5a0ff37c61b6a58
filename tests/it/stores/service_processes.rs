//! A service in several processes, with one token in one folder.
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hallpass::store::{File, SealingKey};
use hallpass::testing::{Endpoint, TestProvider};
use hallpass::{Application, ClientAuth, ClientCredentials};

use super::other_process::OtherProcess;
use crate::scratch_folder::ScratchFolder;

const LIFE: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);

fn service(folder: &Path) -> ClientCredentials {
    let provider = fs::read_to_string(folder.join("provider")).unwrap();
    let [issuer, client_id, secret] = provider.split('\n').collect::<Vec<_>>().try_into().unwrap();
    let application = Application::new(issuer, client_id).client_auth(ClientAuth::client_secret_post(secret));
    application
        .client_credentials()
        .audience("https://api.acme.com")
        .shared(File::new(folder.join("kept")).sealed(SealingKey::from_bytes([7; 32])))
}

/// H12 — token: 1 for each life of a token, by eight processes
#[test]
fn eight_processes_on_one_folder_make_one_request_for_each_token() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = OtherProcess::folder() {
        let served = runtime.block_on(ask_all_the_time(service(&folder)));
        let served: Vec<_> = served.into_iter().collect();
        return fs::write(folder.join(format!("{}.served", std::process::id())), served.join("\n")).unwrap();
    }
    let folder = ScratchFolder::made();
    let provider = runtime.block_on(TestProvider::builder().access_token_life(LIFE).start());
    let told = [provider.issuer(), provider.confidential_client_id(), provider.client_secret()].join("\n");
    fs::write(folder.file("provider"), told).unwrap();

    let (test, began) =
        ("stores::service_processes::eight_processes_on_one_folder_make_one_request_for_each_token", Instant::now());
    let mut others: Vec<_> = (0..8).map(|_| OtherProcess::start(test, folder.path())).collect();
    for other in &mut others {
        other.ends_well();
    }
    let (requests, lives) = (provider.count(Endpoint::Token), began.elapsed().as_secs_f64());
    let served: HashSet<String> = folder
        .names()
        .iter()
        .filter(|name| name.ends_with(".served"))
        .flat_map(|name| fs::read_to_string(folder.file(name)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(requests >= 4, "{requests} requests in {lives} lives");
    // Ahead of the end by three tenths of the life at most.
    assert!(requests as f64 <= lives / 0.7 + 1.0, "{requests} requests in {lives} lives");
    // The last one may have come too late to be seen.
    assert!(requests - served.len() <= 1, "{} tokens in {requests} requests", served.len());
}

async fn ask_all_the_time(service: ClientCredentials) -> HashSet<String> {
    let end = Instant::now() + TIME;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut served = HashSet::new();
                while Instant::now() < end {
                    served.insert(service.token().await.unwrap().expose().to_owned());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                served
            })
        })
        .collect();
    let mut served = HashSet::new();
    for task in tasks {
        served.extend(task.await.unwrap());
    }
    served
}
