//! Each store keeps the contract, and is a map.
use std::collections::HashMap;

use hallpass::store::{CredentialsStore, File, Memory, SealingKey};
use hallpass::testing::store_contract;
use proptest::collection::vec;
use proptest::prelude::*;

use super::record_bytes::{key, record};
use crate::at_random::cases;
use crate::scratch_folder::ScratchFolder;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let store = Memory::new();
    store_contract(|| store.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let folder = ScratchFolder::new();
    store_contract(|| File::new(folder.path())).await;
}

#[tokio::test]
async fn a_sealed_folder_keeps_the_contract_on_one_thread() {
    let (folder, sealing_key) = (ScratchFolder::new(), SealingKey::generate().unwrap());
    store_contract(|| File::new(folder.path()).sealed(sealing_key.clone())).await;
}

#[derive(Debug, Clone)]
enum Call {
    Load(u8),
    Save { key: u8, expected: Option<u64>, generation: u64, content: Vec<u8> },
    Remove(u8),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let few = 0..3_u8;
    let save = (few.clone(), proptest::option::of(0..3_u64), 0..3_u64, vec(any::<u8>(), 0..100))
        .prop_map(|(key, expected, generation, content)| Call::Save { key, expected, generation, content });
    vec(prop_oneof![2 => few.clone().prop_map(Call::Load), 6 => save, 1 => few.prop_map(Call::Remove)], 1..30)
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_store_is_a_map(calls in calls()) {
        let (plain, sealed) = (ScratchFolder::new(), ScratchFolder::new());
        let sealed_store = File::new(sealed.path()).sealed(SealingKey::from_bytes([7; 32]));
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            does_what_a_map_does(&Memory::new(), &calls).await;
            does_what_a_map_does(&File::new(plain.path()), &calls).await;
            does_what_a_map_does(&sealed_store, &calls).await;
        });
    }
}

async fn does_what_a_map_does(store: &impl CredentialsStore, calls: &[Call]) {
    let mut map: HashMap<u8, (u64, Vec<u8>)> = HashMap::new();
    for call in calls {
        match call {
            Call::Load(name) => {
                let loaded = store.load(&key(&name.to_string())).await.unwrap();
                let expected = map.get(name).map(|(generation, content)| record(*generation, content));
                assert_eq!(loaded.as_ref().map(|record| record.as_bytes()), expected.as_ref().map(|record| record.as_bytes()));
            }
            Call::Save { key: name, expected, generation, content } => {
                let saved = store.save(&key(&name.to_string()), *expected, &record(*generation, content)).await.unwrap();
                let fits = map.get(name).map(|(generation, _)| *generation) == *expected;
                assert_eq!(saved, fits);
                if fits {
                    map.insert(*name, (*generation, content.clone()));
                }
            }
            Call::Remove(name) => {
                store.remove(&key(&name.to_string())).await.unwrap();
                map.remove(name);
            }
        }
    }
}
