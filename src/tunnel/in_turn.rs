//! Several addresses of one service: when one cannot be reached, the next is tried.

use crate::{Address, Dial, Dialing, Error, Stream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Who dials again so soon had no use of the connection: the service behind it may be the one that is ill.
const SOON: Duration = Duration::from_secs(5);

/// Dials the addresses of one service in turn. An address that is none of them, as a redirect tells it, is dialled as it is.
pub struct InTurn {
    inner: Arc<dyn Dial>,
    addresses: Arc<[Address]>,
    /// Where a connection was made last, by whoever shares this list.
    good: Arc<AtomicUsize>,
    /// The last connection that was made here.
    last: Mutex<Option<(usize, Instant)>>,
}

impl InTurn {
    /// Dials these addresses, the first one first.
    #[must_use]
    pub fn new(inner: Arc<dyn Dial>, addresses: &[Address]) -> Self {
        Self { inner, addresses: addresses.into(), good: Arc::default(), last: Mutex::default() }
    }

    /// The same for somebody else who uses the service: what one of them learns of an address, all of them know.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            addresses: Arc::clone(&self.addresses),
            good: Arc::clone(&self.good),
            last: Mutex::default(),
        }
    }

    /// Where to begin.
    fn first(&self) -> usize {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last {
            Some((index, at)) if at.elapsed() < SOON => index.saturating_add(1),
            _ => self.good.load(Ordering::Relaxed),
        }
    }

    async fn dial_in_turn(&self, deadline: Instant) -> Result<Box<dyn Stream>, Error> {
        let first = self.first();
        let mut failed: Vec<Error> = Vec::new();
        let count = self.addresses.len();
        for tried in 0..count {
            let index = first.wrapping_add(tried).checked_rem(count).unwrap_or(0);
            let Some(address) = self.addresses.get(index) else { break };
            // One that does not answer must not take the time of those that would.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = u32::try_from(count.saturating_sub(tried)).ok().and_then(|rest| left.checked_div(rest));
            let until = Instant::now().checked_add(share.unwrap_or(left)).unwrap_or(deadline);
            match self.inner.dial(address, until).await {
                Ok(stream) => {
                    self.good.store(index, Ordering::Relaxed);
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((index, Instant::now()));
                    return Ok(stream);
                }
                Err(error) => {
                    tracing::info!("{error}");
                    failed.push(error);
                }
            }
        }
        Err(together(failed))
    }
}

/// One error for all of them: of a kind that may pass, if one of them may.
fn together(mut failed: Vec<Error>) -> Error {
    let told: Vec<_> = failed.iter().map(ToString::to_string).collect();
    let best = failed.iter().position(|error| error.kind.is_transient()).unwrap_or(0);
    if failed.len() == 1 || best >= failed.len() {
        return failed.pop().unwrap_or_else(|| Error::new(crate::ErrorKind::BadConfig, "there is no address to dial"));
    }
    let mut error = failed.swap_remove(best);
    error.detail = format!("none of {} addresses can be used: {}", told.len(), told.join("; "));
    error.place = Some("the service".to_owned());
    error.advice = String::new();
    error
}

impl Dial for InTurn {
    fn dial<'a>(&'a self, address: &'a Address, deadline: Instant) -> Dialing<'a> {
        if !self.addresses.contains(address) {
            return self.inner.dial(address, deadline);
        }
        Box::pin(self.dial_in_turn(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::test_support::far;

    /// Connects to addresses whose host does not begin with a dot, and remembers what was dialled.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl Dial for Recorder {
        fn dial<'a>(&'a self, address: &'a Address, deadline: Instant) -> Dialing<'a> {
            self.0.lock().unwrap().push(address.host.clone());
            Box::pin(async move {
                let (stream, _other) = tokio::io::duplex(1);
                match address.host.as_str() {
                    "dead" => Err(Error::new(ErrorKind::Refused, "").at(address)),
                    "forged" => Err(Error::new(ErrorKind::Untrusted, "").at(address)),
                    "silent" => {
                        tokio::time::sleep_until(deadline).await;
                        Err(Error::new(ErrorKind::TimedOut, "").at(address))
                    }
                    _ => Ok(Box::new(stream) as Box<dyn Stream>),
                }
            })
        }
    }

    fn addresses(hosts: &[&str]) -> Vec<Address> {
        hosts.iter().map(|host| Address::new(*host, 3260)).collect()
    }

    fn of(hosts: &[&str]) -> (Arc<Recorder>, InTurn, Address) {
        let recorder = Arc::new(Recorder::default());
        let addresses = addresses(hosts);
        let inner: Arc<dyn Dial> = Arc::<Recorder>::clone(&recorder);
        (recorder, InTurn::new(inner, &addresses), addresses[0].clone())
    }

    fn dialled(recorder: &Recorder) -> Vec<String> {
        std::mem::take(&mut *recorder.0.lock().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_is_passed_over_and_remembered() {
        let (recorder, dial, address) = of(&["dead", "b", "c"]);
        dial.dial(&address, far()).await.unwrap();
        assert_eq!(dialled(&recorder), ["dead", "b"]);
        dial.share().dial(&address, far()).await.unwrap();
        assert_eq!(dialled(&recorder), ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_of_no_use_makes_the_next_one_go_elsewhere() {
        let (recorder, dial, address) = of(&["a", "b"]);
        dial.dial(&address, far()).await.unwrap();
        dial.dial(&address, far()).await.unwrap();
        tokio::time::advance(SOON).await;
        dial.dial(&address, far()).await.unwrap();
        assert_eq!(dialled(&recorder), ["a", "b", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_leaves_time_for_the_others() {
        let (recorder, dial, address) = of(&["silent", "silent", "c"]);
        let start = Instant::now();
        dial.dial(&address, start + Duration::from_secs(30)).await.unwrap();
        assert_eq!(dialled(&recorder).len(), 3);
        assert!(start.elapsed() <= Duration::from_secs(21), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn when_none_can_be_used_all_are_told() {
        let (_, dial, address) = of(&["forged", "dead"]);
        let error = dial.dial(&address, far()).await.err().unwrap();
        assert!(error.to_string().contains("forged:3260") && error.to_string().contains("dead:3260"), "{error}");
        assert_eq!(error.kind, ErrorKind::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_redirect_leads_is_dialled_as_it_is() {
        let (recorder, dial, _) = of(&["a", "b"]);
        dial.dial(&Address::new("elsewhere", 1), far()).await.unwrap();
        assert_eq!(dialled(&recorder), ["elsewhere"]);
    }
}
