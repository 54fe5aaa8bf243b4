//! Places at the origin: as many as its learned limit, a bounded queue before them, and an order of who goes first.
//!
//! Order: reserved requests (sessions, logins, everything unsafe), then people, then crawlers and the like; of each, the fetch that most
//! visitors wait for, then who came first.
//! Background refreshes only take places that nobody else wants.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use overspill_governance::time::Time;
use overspill_protocol::{
    observation::OriginLoad,
    overload::{
        gradient::{Gradient, Work},
        queueing::Queueing,
    },
};
use tokio::sync::oneshot;

use crate::{clock::Clock, config::OriginLimits};

mod queue;

pub(crate) use queue::Interest;
use queue::{Queue, Waiter};

/// From this limit on a share of the places is kept for reserved requests; below it they only go first, or a small origin would idle.
const RESERVE_FROM: u32 = 4;

/// Who wants a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Who can wait: crawlers, and whoever looks for holes.
    Later,
    /// Anybody.
    Visit,
    /// Sessions, logins, unsafe methods: what keeps a site usable for the people who run it.
    Reserved,
}

/// There is no place, or none in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// The places.
pub(crate) struct Admission {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    limits: OriginLimits,
    gradient: Gradient,
    queueing: Queueing,
    in_flight: u32,
    reserved: u32,
    waiting: Queue,
    next: u64,
}

impl State {
    /// Places kept free for reserved requests.
    fn kept_free(&self) -> u32 {
        let limit = self.gradient.limit();
        let reserve = if limit >= RESERVE_FROM { limit / 4 } else { 0 };
        reserve.saturating_sub(self.reserved)
    }

    fn has_place(&self, class: Class) -> bool {
        let kept = if class == Class::Reserved { 0 } else { self.kept_free() };
        self.in_flight + kept < self.gradient.limit()
    }

    fn take(&mut self, class: Class) {
        self.in_flight += 1;
        self.reserved += u32::from(class == Class::Reserved);
    }

    /// Takes a place if there is one, and nobody goes before.
    fn enter(&mut self, class: Class, now: Time) -> bool {
        let enters = self.has_place(class) && self.waiting.yields_to(class);
        if enters {
            self.take(class);
            if class != Class::Reserved {
                self.queueing.on_delay(Duration::ZERO, now);
            }
        }
        enters
    }

    /// Removes and returns the next who may go.
    fn next_waiter(&mut self) -> Option<Waiter> {
        let open = [Class::Later, Class::Visit, Class::Reserved].map(|class| self.has_place(class));
        self.waiting.next(|class| open[class as usize])
    }

    fn target(&mut self, now: Time) -> Duration {
        self.limits.target_delay.max(self.queueing.service_median(now) / 2)
    }
}

impl Admission {
    pub(crate) fn new(limits: OriginLimits, clock: Clock) -> Arc<Self> {
        let gradient = Gradient::new(limits.min, limits.initial, limits.max);
        let state =
            State { limits, gradient, queueing: Queueing::default(), in_flight: 0, reserved: 0, waiting: Queue::default(), next: 0 };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes new bounds; what was learned stays.
    pub(crate) fn bound(&self, limits: OriginLimits) {
        let mut state = self.lock();
        state.gradient.bound(limits.min, limits.max);
        state.limits = limits;
    }

    /// Waits for a place, for as long as the settings allow. `interest` is held by every visitor who waits for this request.
    pub(crate) async fn enter(self: &Arc<Self>, class: Class, interest: &Arc<Interest>) -> Result<Permit, Full> {
        self.enter_for(class, Some(interest)).await
    }

    /// The same, for a request that one visitor waits for.
    pub(crate) async fn enter_alone(self: &Arc<Self>, class: Class) -> Result<Permit, Full> {
        self.enter_for(class, None).await
    }

    /// The same at once, or not.
    pub(crate) fn enter_now(self: &Arc<Self>, class: Class) -> Option<Permit> {
        let now = self.clock.time();
        self.lock().enter(class, now).then(|| Permit::new(self, class, now))
    }

    async fn enter_for(self: &Arc<Self>, class: Class, interest: Option<&Arc<Interest>>) -> Result<Permit, Full> {
        let now = self.clock.time();
        let (id, place, patience) = {
            let mut state = self.lock();
            if state.enter(class, now) {
                return Ok(Permit::new(self, class, now));
            }
            if state.waiting.len() >= state.limits.queue_max as usize {
                // Who can wait gives way: its sender is dropped, and it is told that there is no place.
                let _least = (class > Class::Later).then(|| state.waiting.give_way()).flatten().ok_or(Full)?;
            }
            let (sender, receiver) = oneshot::channel();
            let id = state.next;
            state.next += 1;
            state.waiting.push(Waiter { id, class, since: now, interest: interest.map(Arc::downgrade), place: sender });
            (id, receiver, state.limits.queue_wait)
        };
        let mut waiting = Waiting { admission: self, id, ended: false };
        match tokio::time::timeout(patience, place).await {
            Ok(answer) => {
                // Whoever answered has taken it out.
                waiting.ended = true;
                answer.map_err(|_| Full)
            }
            Err(_) => Err(Full),
        }
    }

    /// Takes a place that nobody else wants, or none.
    pub(crate) fn enter_spare(self: &Arc<Self>) -> Option<Permit> {
        let now = self.clock.time();
        let mut state = self.lock();
        // Half of the places at most: a page that nobody has a copy of may be asked for in the next moment.
        let half = state.in_flight + state.kept_free() < (state.gradient.limit() / 2).max(1);
        if !state.waiting.is_empty() || !half {
            return None;
        }
        state.take(Class::Visit);
        drop(state);
        Some(Permit::new(self, Class::Visit, now))
    }

    /// Notes a visitor whose request would go to the origin in calm.
    pub(crate) fn wanted(&self, now: Time) {
        self.lock().queueing.on_wanted(now);
    }

    /// Tells whether the origin has more to do than it can.
    pub(crate) fn under_pressure(&self, now: Time) -> bool {
        let mut state = self.lock();
        let (target, limit, oldest) = (state.target(now), state.gradient.limit(), state.waiting.oldest());
        state.queueing.under_pressure(target, limit, oldest, now)
    }

    /// Tells whether one more visitor would have to wait now.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.lock();
        !state.waiting.is_empty() || !state.has_place(Class::Visit)
    }

    /// Median service time of pages; zero when nothing is known.
    pub(crate) fn service_median(&self, now: Time) -> Duration {
        self.lock().queueing.service_median(now)
    }

    /// The origin's load.
    pub(crate) fn load(&self, now: Time) -> OriginLoad {
        let under_pressure = self.under_pressure(now);
        let mut state = self.lock();
        let oldest = state.waiting.oldest();
        OriginLoad {
            in_flight: state.in_flight,
            limit: state.gradient.limit(),
            queued: u32::try_from(state.waiting.len()).unwrap_or(u32::MAX),
            delay_min: state.queueing.delay_min(oldest, now),
            service_median: state.queueing.service_median(now),
            under_pressure,
        }
    }

    /// Gives one place back and lets in whoever may go.
    fn release(self: &Arc<Self>, class: Class) {
        let now = self.clock.time();
        let mut freed = Some(class);
        loop {
            let waiter = {
                let mut state = self.lock();
                if let Some(class) = freed.take() {
                    state.in_flight -= 1;
                    state.reserved -= u32::from(class == Class::Reserved);
                }
                if state.waiting.is_empty() {
                    return;
                }
                let Some(waiter) = state.next_waiter() else { return };
                if waiter.class != Class::Reserved {
                    let oldest = state.waiting.oldest().map_or(waiter.since, |oldest| oldest.min(waiter.since));
                    state.queueing.on_delay(now.since(oldest), now);
                }
                state.take(waiter.class);
                waiter
            };
            if let Err(mut permit) = waiter.place.send(Permit::new(self, waiter.class, now)) {
                // It has just given up. Taken back by hand: dropping the permit would come back here.
                permit.released = true;
                let mut state = self.lock();
                state.in_flight -= 1;
                state.reserved -= u32::from(waiter.class == Class::Reserved);
            }
        }
    }
}

/// Takes a waiter out of the queue when it stops waiting, for whatever reason.
struct Waiting<'a> {
    admission: &'a Arc<Admission>,
    id: u64,
    ended: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.admission.lock().waiting.leave(self.id);
        }
    }
}

/// A place at the origin, given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    class: Class,
    entered: Time,
    released: bool,
}

impl Permit {
    fn new(admission: &Arc<Admission>, class: Class, entered: Time) -> Self {
        Self { admission: Arc::clone(admission), class, entered, released: false }
    }

    /// Learns from the head of an answer.
    pub(crate) fn on_answer(&self, work: Work) {
        let now = self.admission.clock.time();
        let service = now.since(self.entered);
        let mut state = self.admission.lock();
        // Places that are kept free hold visitors back as well as those that are taken: else visitors alone would never fill the limit.
        let held = state.in_flight + state.kept_free();
        state.gradient.on_answer(work, service, held);
        if work == Work::Page {
            state.queueing.on_service(service, now);
        }
    }

    /// Learns from an answer that did not come, or that said "too busy".
    pub(crate) fn on_drop(&self) {
        let now = self.admission.clock.time();
        self.admission.lock().gradient.on_drop(now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.released {
            self.admission.release(self.class);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn admission(limit: u32, queue_max: u32) -> Arc<Admission> {
        let limits = OriginLimits {
            min: 1,
            initial: limit,
            max: limit,
            queue_max,
            queue_wait: Duration::from_millis(50),
            ..OriginLimits::default()
        };
        Admission::new(limits, Clock::new())
    }

    fn enter(admission: &Arc<Admission>, class: Class) -> impl Future<Output = Result<Permit, Full>> {
        let admission = Arc::clone(admission);
        async move { admission.enter(class, &Arc::default()).await }.boxed()
    }

    #[tokio::test]
    async fn places_are_as_many_as_the_limit_and_come_back() {
        let admission = admission(2, 8);
        let first = enter(&admission, Class::Visit).await.unwrap();
        let _second = enter(&admission, Class::Visit).await.unwrap();
        let mut third = enter(&admission, Class::Visit);
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_length_and_in_time() {
        let admission = admission(1, 1);
        let _held = enter(&admission, Class::Visit).await.unwrap();
        let mut waits = enter(&admission, Class::Visit);
        assert!(futures::poll!(&mut waits).is_pending());
        assert!(enter(&admission, Class::Visit).await.is_err());
        assert!(waits.await.is_err());
        assert_eq!(admission.load(Time::ZERO).queued, 0);
    }

    #[tokio::test]
    async fn a_visitor_who_leaves_takes_no_place_with_it() {
        let admission = admission(1, 8);
        let held = enter(&admission, Class::Visit).await.unwrap();
        let mut gone = enter(&admission, Class::Visit);
        assert!(futures::poll!(&mut gone).is_pending());
        drop(held); // the place is given to `gone`, which never takes it
        drop(gone);
        assert!(enter(&admission, Class::Visit).await.is_ok());
    }

    #[tokio::test]
    async fn logins_go_before_visits_and_crowds_before_single_visitors() {
        let admission = admission(1, 8);
        let held = enter(&admission, Class::Visit).await.unwrap();
        let (few, many) = (Arc::default(), Arc::default());
        let _many: Vec<_> = (0..5).map(|_| Arc::clone(&many)).collect();
        let mut single = Box::pin(admission.enter(Class::Visit, &few));
        let mut crowd = Box::pin(admission.enter(Class::Visit, &many));
        let mut login = Box::pin(admission.enter(Class::Reserved, &few));
        assert!(
            futures::poll!(&mut single).is_pending() && futures::poll!(&mut crowd).is_pending() && futures::poll!(&mut login).is_pending()
        );
        drop(held);
        let login = login.await.unwrap();
        assert!(futures::poll!(&mut crowd).is_pending());
        drop(login);
        let crowd = crowd.await.unwrap();
        assert!(futures::poll!(&mut single).is_pending());
        drop(crowd);
        assert!(single.await.is_ok());
    }

    #[tokio::test]
    async fn visitors_alone_teach_that_the_origin_can_do_more() {
        let limits = OriginLimits { min: 2, initial: 8, max: 64, queue_max: 64, ..OriginLimits::default() };
        let admission = Admission::new(limits, Clock::new());
        for _ in 0..200 {
            let visits: Vec<_> = (0..64).filter_map(|_| enter(&admission, Class::Visit).now_or_never()?.ok()).collect();
            visits.iter().for_each(|visit| visit.on_answer(Work::Page));
        }
        assert!(admission.load(Time::ZERO).limit > 32, "{}", admission.load(Time::ZERO).limit);
    }

    #[tokio::test]
    async fn crawlers_go_last_and_give_way_when_the_queue_is_full() {
        let admission = admission(1, 2);
        let held = enter(&admission, Class::Later).await.unwrap();
        let mut crawler = enter(&admission, Class::Later);
        assert!(futures::poll!(&mut crawler).is_pending());
        let mut person = enter(&admission, Class::Visit);
        assert!(futures::poll!(&mut person).is_pending());
        assert!(enter(&admission, Class::Later).now_or_never().unwrap().is_err(), "it makes no place for its like");
        let mut second = enter(&admission, Class::Visit);
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::poll!(&mut crawler).is_ready(), "the crawler's place in the queue is a person's");
        assert!(enter(&admission, Class::Visit).now_or_never().unwrap().is_err(), "people do not displace people");
        drop(held);
        let person = person.await.unwrap();
        drop(person);
        drop(second.await.unwrap());
        assert!(enter(&admission, Class::Later).now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn crawlers_wait_for_people_who_came_after_them() {
        let admission = admission(1, 8);
        let held = enter(&admission, Class::Visit).await.unwrap();
        let mut crawler = enter(&admission, Class::Later);
        let mut person = enter(&admission, Class::Visit);
        assert!(futures::poll!(&mut crawler).is_pending() && futures::poll!(&mut person).is_pending());
        drop(held);
        assert!(futures::poll!(&mut crawler).is_pending());
        let held = person.await.unwrap();

        let (shared, mut person) = (Arc::default(), enter(&admission, Class::Visit));
        let mut raised = Box::pin(admission.enter(Class::Later, &shared));
        assert!(futures::poll!(&mut raised).is_pending() && futures::poll!(&mut person).is_pending());
        shared.is_a_persons();
        let _joined = Arc::clone(&shared);
        drop(held);
        assert!(futures::poll!(&mut crawler).is_pending() && futures::poll!(&mut person).is_pending());
        drop(raised.await.expect("what people joined goes with them"));
        drop(person.await.unwrap());
        assert!(crawler.await.is_ok());
    }

    #[tokio::test]
    async fn visits_leave_reserved_places_free_and_refreshes_leave_more() {
        let admission = admission(8, 8);
        let visits: Vec<_> = (0..6).map(|_| enter(&admission, Class::Visit).now_or_never().unwrap().unwrap()).collect();
        assert!(enter(&admission, Class::Visit).now_or_never().is_none());
        assert!(admission.enter_spare().is_none());
        let _logins = [enter(&admission, Class::Reserved).await.unwrap(), enter(&admission, Class::Reserved).await.unwrap()];
        assert!(enter(&admission, Class::Reserved).now_or_never().is_none());
        drop(visits);
        assert!(admission.enter_spare().is_some());
    }
}
