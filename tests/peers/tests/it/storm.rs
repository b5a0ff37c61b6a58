//! The storm of the library's own tests, with sessions on a Redis which it strikes, too.

use std::thread::sleep;
use std::time::Duration;

use hallpass_peers::{RedisServer, Signal};

#[path = "../../../it/storm/course.rs"]
mod course;
#[path = "../../../it/storm/program.rs"]
mod program;
#[path = "../../../it/storm/random.rs"]
mod random;
#[path = "../../../it/storm/rest.rs"]
mod rest;
#[path = "../../../it/storm/sessions.rs"]
mod sessions;
#[path = "../../../it/storm/struck_redis.rs"]
mod struck_redis;
#[path = "../../../it/storm/weather.rs"]
mod weather;

use struck_redis::StruckRedis;

/// F1, F6, F23, G14, G22
#[test]
fn a_storm_over_redis_loses_no_session_and_leaves_nothing_behind() {
    let test = "storm::a_storm_over_redis_loses_no_session_and_leaves_nothing_behind";
    course::run(test, || Some(Box::new(RedisServer::start())));
}

impl StruckRedis for RedisServer {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn hangs(&mut self, time: Duration) {
        self.stop();
        sleep(time);
        self.go_on();
    }

    fn is_killed(&mut self, time: Duration) {
        self.kill();
        sleep(time);
        self.start_again();
    }

    fn is_restarted(&mut self, time: Duration) {
        Signal::Terminate.send(self.process_id());
        sleep(time);
        self.kill();
        self.start_again();
    }
}
