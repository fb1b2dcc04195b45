//! Connections that are known to be alive, or new ones.
//!
//! Lambda freezes a process between invocations. Meanwhile, a NAT gateway or an endpoint may close a connection or
//! silently forget it, and the process does not notice. Its steady clock may also have stopped. By that clock, hyper
//! drops idle connections; it may then take a connection for fresh that is long gone. What is sent on it is never
//! answered, and never refused.
//!
//! So idle time is measured by both clocks, and a pool is given up as a whole, with all of its connections, as soon as
//! - nothing was received on it for [`MOST_IDLE`] by the wall clock,
//! - the two clocks disagree about how long it has existed: the process was frozen, or the clock was set,
//! - a request on it was given up unanswered. Over HTTP/2 the next try would use the same connection, and other idle
//!   connections are as old as the silent one.
//!
//! Requests under way keep their pool. A new pool costs one handshake per host, without a resumed session, because the
//! TLS settings are new, too. `make bench` counts both.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bluegreen_core::time::elapsed;
use jiff::Timestamp;

use crate::clock;

/// The maximum idle time of a connection on which something is sent. It is far below the limit of any endpoint,
/// balancer or gateway; the shortest known limit is some 20 s. It is longer than the pauses within an invocation that
/// sends requests.
pub const MOST_IDLE: Duration = Duration::from_secs(3);

/// By how much the clocks may disagree about a pool's age: more than ordinary clock adjustments.
const MOST_DRIFT: Duration = Duration::from_secs(1);

/// An HTTP client whose connections have never been silent for longer than [`MOST_IDLE`]. `build` creates one with a
/// pool of its own, which drops connections after the same idle time by the steady clock.
///
/// When a client is built, the SDK validates its HTTP client: it builds a TLS connector, parses the root certificates,
/// and discards the connector. This client skips that: the first request builds the connector that is kept.
pub fn known_alive(build: impl Fn() -> SharedHttpClient + Send + Sync + 'static) -> SharedHttpClient {
    SharedHttpClient::new(KnownAlive::new(build, Moment::now))
}

/// An instant on both clocks.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: Timestamp,
    steady: Instant,
}

impl Moment {
    fn now() -> Self {
        Self {
            wall: clock::now(),
            steady: Instant::now(),
        }
    }
}

/// One pool, and what is known about it.
struct Pool {
    client: SharedHttpClient,
    made: Moment,
    heard: Moment,
    number: u64,
    is_given_up: bool,
}

impl Pool {
    /// Whether a connection in it may have died unnoticed.
    fn is_stale(&self, now: Moment) -> bool {
        let by_wall = elapsed(self.made.wall, now.wall);
        let by_steady = now.steady.saturating_duration_since(self.made.steady);
        self.is_given_up
            || now.wall < self.heard.wall
            || elapsed(self.heard.wall, now.wall) > MOST_IDLE
            || now.steady.saturating_duration_since(self.heard.steady) > MOST_IDLE
            || by_wall.abs_diff(by_steady) > MOST_DRIFT
    }
}

struct KnownAlive {
    build: Box<dyn Fn() -> SharedHttpClient + Send + Sync>,
    now: fn() -> Moment,
    pool: Arc<Mutex<Pool>>,
}

impl KnownAlive {
    fn new(build: impl Fn() -> SharedHttpClient + Send + Sync + 'static, now: fn() -> Moment) -> Self {
        let made = now();
        let pool = Pool {
            client: build(),
            made,
            heard: made,
            number: 0,
            is_given_up: false,
        };
        Self {
            build: Box::new(build),
            now,
            pool: Arc::new(Mutex::new(pool)),
        }
    }
}

impl fmt::Debug for KnownAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownAlive").finish_non_exhaustive()
    }
}

impl HttpClient for KnownAlive {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let mut pool = locked(&self.pool);
        let now = (self.now)();
        if pool.is_stale(now) {
            *pool = Pool {
                client: (self.build)(),
                made: now,
                heard: now,
                number: pool.number.wrapping_add(1),
                is_given_up: false,
            };
        }
        SharedHttpConnector::new(OfPool {
            inner: pool.client.http_connector(settings, components),
            number: pool.number,
            now: self.now,
            pool: Arc::clone(&self.pool),
        })
    }
}

/// The connector of one try: whether it was answered says something about its pool.
struct OfPool {
    inner: SharedHttpConnector,
    number: u64,
    now: fn() -> Moment,
    pool: Arc<Mutex<Pool>>,
}

impl fmt::Debug for OfPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfPool")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl HttpConnector for OfPool {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut awaited = Awaited {
            number: self.number,
            is_answered: false,
            pool: Arc::clone(&self.pool),
        };
        let (answer, now) = (self.inner.call(request), self.now);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            // An error is an answer, too: hyper knows that the connection is broken, and drops it.
            awaited.is_answered = true;
            if answer.is_ok() {
                let mut pool = locked(&awaited.pool);
                if pool.number == awaited.number {
                    pool.heard = now();
                }
            }
            answer
        })
    }
}

/// A request under way. If it is dropped without an answer, it was given up.
struct Awaited {
    number: u64,
    is_answered: bool,
    pool: Arc<Mutex<Pool>>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut pool = locked(&self.pool);
        if pool.number == self.number {
            pool.is_given_up = true;
        }
    }
}

fn locked(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "of a test")]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    thread_local! {
        /// Milliseconds since the test began, by the wall clock and by the steady one.
        static CLOCKS: Cell<(i64, u64)> = const { Cell::new((0, 0)) };
        static BEGAN: Instant = Instant::now();
    }

    fn now() -> Moment {
        let (wall, steady) = CLOCKS.get();
        Moment {
            wall: Timestamp::from_millisecond(1_795_000_000_000 + wall).unwrap(),
            steady: BEGAN.with(|began| *began) + Duration::from_millis(steady),
        }
    }

    fn pass(wall: i64, steady: u64) {
        let (was_wall, was_steady) = CLOCKS.get();
        CLOCKS.set((was_wall + wall, was_steady + steady));
    }

    /// A pool that answers, or is silent.
    #[derive(Debug, Clone, Copy)]
    struct Answers(bool);

    impl HttpConnector for Answers {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            let answers = self.0;
            HttpConnectorFuture::new(async move {
                if !answers {
                    std::future::pending::<()>().await;
                }
                Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::empty()))
            })
        }
    }

    impl HttpClient for Answers {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(*self)
        }
    }

    struct Bench {
        client: KnownAlive,
        pools: Arc<AtomicU64>,
    }

    fn bench(answers: bool) -> Bench {
        let pools = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pools);
        let build = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            SharedHttpClient::new(Answers(answers))
        };
        Bench {
            client: KnownAlive::new(build, now),
            pools,
        }
    }

    impl Bench {
        fn request(&self) -> HttpConnectorFuture {
            let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
            let settings = HttpConnectorSettings::default();
            self.client
                .http_connector(&settings, &components)
                .call(HttpRequest::empty())
        }

        async fn answered(&self) -> u64 {
            self.request().await.unwrap();
            self.pools.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn a_pool_is_kept_while_it_is_heard_of() {
        let bench = bench(true);
        for _ in 0..10 {
            assert_eq!(bench.answered().await, 1);
            pass(2900, 2900);
        }
    }

    #[tokio::test]
    async fn a_pool_that_was_idle_is_given_up_by_either_clock() {
        for (what, wall, steady) in [
            ("idle, both clocks going", 3001, 3001),
            ("frozen, the steady clock standing still", 8000, 0),
            ("frozen for a moment beyond what the clocks may differ by", 1100, 0),
            ("the wall clock standing still", 0, 3001),
            ("the wall clock set back", -500, 0),
            ("the wall clock set back by less than passed", -1000, 500),
        ] {
            let bench = bench(true);
            assert_eq!(bench.answered().await, 1, "{what}");
            pass(wall, steady);
            assert_eq!(bench.answered().await, 2, "{what}");
            assert_eq!(bench.answered().await, 2, "{what}: and the new one is kept");
        }
    }

    #[tokio::test]
    async fn short_freezes_add_up() {
        let bench = bench(true);
        assert_eq!(bench.answered().await, 1);
        for expected in [1, 1, 2] {
            // Each freeze is too short to be noticed; a connection that was idle through all three is noticed.
            pass(400, 0);
            assert_eq!(bench.answered().await, expected);
        }
    }

    #[tokio::test]
    async fn what_was_given_up_unanswered_takes_its_pool_with_it() {
        let bench = bench(false);
        drop(bench.request());
        assert_eq!(bench.pools.load(Ordering::Relaxed), 1);
        let second = bench.request();
        assert_eq!(bench.pools.load(Ordering::Relaxed), 2, "the next try has a new one");
        let third = bench.request();
        drop(second);
        drop(third);
        drop(bench.request());
        assert_eq!(
            bench.pools.load(Ordering::Relaxed),
            3,
            "two that were given up on one pool are one pool"
        );
    }

    #[tokio::test]
    async fn an_old_request_says_nothing_of_a_new_pool() {
        let bench = bench(false);
        let old = bench.request();
        pass(8000, 0);
        let new = bench.request();
        assert_eq!(bench.pools.load(Ordering::Relaxed), 2);
        drop(old);
        let _further = bench.request();
        assert_eq!(bench.pools.load(Ordering::Relaxed), 2);
        drop(new);
    }
}
