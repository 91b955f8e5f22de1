//! Wishes that stand in the store: whoever readies a task leases it for the worker that waits and hands it over in the
//! same step. Only where there is one partition: in several, as much would be handed as is wished for in each.

use crate::connect::Address;
use crate::desk::Desk;
use crate::ear::{Ear, Heard};
use crate::error::Trouble;
use crate::keys::Keys;
use crate::link::{Order, Outcome, Stand};
use crate::wake::Woken;
use reelmill_ports::StoreError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a wish stands whose worker says no more. A worker that is seen to be dead loses it at once.
const OFFER_MS: u64 = 5_000;
/// How long handed leases may be on their way.
const HANDED: Duration = Duration::from_secs(2);

/// Where wishes are left.
#[derive(Debug)]
pub struct Offers {
    address: Address,
    keys: Keys,
    /// Ears that nobody listens with; no more than have waited at once.
    ears: Mutex<Vec<Ear>>,
    numbers: AtomicU64,
}

/// One wish.
struct Wish<'a> {
    desk: &'a Desk,
    order: Arc<Order>,
    number: u64,
    lanes: Vec<String>,
}

impl Offers {
    /// In this partition.
    pub fn new(address: &Address, keys: &Keys) -> Self {
        let (address, keys) = (address.clone(), keys.clone());
        Self { address, keys, ears: Mutex::default(), numbers: AtomicU64::new(0) }
    }

    /// Leaves a wish with the partition, which is asked for it once more by that.
    pub async fn offer(
        &self,
        desk: &Desk,
        order: Order,
        at_most: Duration,
        withdrawn: impl Future<Output = ()> + Send,
    ) -> Woken {
        let idle = self.ears.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let opened = match idle {
            Some(ear) => Ok(ear),
            None => Ear::open(&self.address, &self.keys).await,
        };
        let mut ear = match opened {
            Ok(ear) => ear,
            Err(trouble) => return Woken::Told(Err(trouble.into_store_error(self.address.shown()))),
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let wish = Wish { desk, number, lanes: order.lanes(), order: Arc::new(order) };
        match wish.stand(&mut ear, at_most, withdrawn).await {
            Ok(Some(woken)) => {
                self.ears.lock().unwrap_or_else(PoisonError::into_inner).push(ear);
                woken
            }
            // What was handed did not come: the next wish has another connection.
            Ok(None) => wish.give_up(Woken::Ask).await,
            Err(trouble) => {
                let error = trouble.into_store_error(self.address.shown());
                wish.give_up(Woken::Told(Err(error))).await
            }
        }
    }
}

impl Wish<'_> {
    /// Waits until it is answered, or withdrawn. None when it was answered and nothing is heard of that.
    async fn stand(
        &self,
        ear: &mut Ear,
        at_most: Duration,
        withdrawn: impl Future<Output = ()> + Send,
    ) -> Result<Option<Woken>, Trouble> {
        ear.listen(&self.lanes).await?;
        let stand = Stand::Offer { ms: OFFER_MS, number: self.number, list: ear.list().to_owned() };
        let (worker, leases) = (self.order.worker.clone(), self.order.leases.clone());
        match self.desk.commit(Order { deeds: Vec::new(), worker, leases, stand }).await {
            Ok(outcome) if outcome.leased.is_empty() => {}
            told => return Ok(Some(Woken::Told(told))),
        }
        let heard = tokio::select! {
            biased;
            heard = self.hear(ear, true) => heard?,
            () = withdrawn => None,
            () = tokio::time::sleep(at_most) => None,
        };
        let otherwise = match heard {
            Some(Heard::Handed(_, answer)) => return Ok(Some(Woken::Told(self.take(answer).await))),
            Some(_) => Woken::Ask,
            None => Woken::Withdrawn,
        };
        let withdraw =
            Order { worker: self.order.worker.clone(), stand: Stand::Withdraw, ..Order::of(Vec::new()) };
        if self.desk.commit(withdraw).await.is_ok_and(|outcome| outcome.stood) {
            return Ok(Some(otherwise));
        }
        // It ran out, or it was answered: then that is on its way.
        match tokio::time::timeout(HANDED, self.hear(ear, false)).await {
            Ok(Ok(Some(Heard::Handed(_, answer)))) => Ok(Some(Woken::Told(self.take(answer).await))),
            Ok(Err(trouble)) => Err(trouble),
            _ => Ok(None),
        }
    }

    /// What is handed for it, or else a marker, if those count. Others' leases are those of wishes that were given up.
    async fn hear(&self, ear: &mut Ear, markers: bool) -> Result<Option<Heard>, Trouble> {
        loop {
            match ear.hear().await? {
                Heard::Handed(number, answer) if number == self.number => {
                    return Ok(Some(Heard::Handed(number, answer)));
                }
                Heard::Marker if markers => return Ok(Some(Heard::Marker)),
                _ => ear.listen(&self.lanes).await?,
            }
        }
    }

    async fn take(&self, answer: Vec<u8>) -> Result<Outcome, StoreError> {
        self.desk.take_handed(&self.order, answer).await
    }

    /// What was leased for it may have got lost.
    async fn give_up(&self, otherwise: Woken) -> Woken {
        let worker = self.order.worker.clone();
        let noted = self.desk.call(move |link| {
            link.give_up_wish(&worker);
            Ok(())
        });
        noted.await.map_or_else(|error| Woken::Told(Err(error)), |()| otherwise)
    }
}
