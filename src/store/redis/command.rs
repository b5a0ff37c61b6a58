use redis::{Cmd, ToRedisArgs};

use crate::store::redis::scripts::Script;

/// A command or a script with its keys, which all lie in one hash slot. It does the same when it is sent twice.
#[derive(Clone)]
pub(super) struct Command {
    verb: Verb,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Verb {
    Name(&'static str),
    Script(&'static Script),
}

impl Command {
    pub(super) fn new(name: &'static str, key: impl Into<String>) -> Self {
        Self { verb: Verb::Name(name), keys: vec![key.into()], arguments: Vec::new() }
    }

    /// A command of one word and arguments, about no key.
    pub(super) fn without_key(name: &'static str) -> Self {
        Self { verb: Verb::Name(name), keys: Vec::new(), arguments: Vec::new() }
    }

    pub(super) fn script(script: &'static Script, key: impl Into<String>) -> Self {
        Self { verb: Verb::Script(script), keys: vec![key.into()], arguments: Vec::new() }
    }

    pub(super) fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    pub(super) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// As it is sent first: a script by its hash.
    pub(super) fn to_cmd(&self) -> Cmd {
        match self.verb {
            Verb::Name(name) => self.completed(redis::cmd(name)),
            Verb::Script(script) => {
                let mut cmd = redis::cmd("EVALSHA");
                cmd.arg(&script.hash).arg(self.keys.len());
                self.completed(cmd)
            }
        }
    }

    /// The script in full, for a Redis that has not run it yet.
    pub(super) fn with_text(&self) -> Option<Cmd> {
        let Verb::Script(script) = self.verb else { return None };
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(&script.text).arg(self.keys.len());
        Some(self.completed(cmd))
    }

    fn completed(&self, mut cmd: Cmd) -> Cmd {
        cmd.arg(&self.keys);
        for argument in &self.arguments {
            cmd.arg(&argument[..]);
        }
        cmd
    }

    /// The hash slot of its keys. <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>
    pub(super) fn slot(&self) -> u16 {
        self.keys.first().map_or(0, |key| slot(key))
    }
}

fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

pub(super) const SLOTS: u16 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_slot_that_the_specification_says() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_eq!(slot("foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
    }
}
