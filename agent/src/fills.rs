//! Fills, both ends: a helper fetches an object in slices and verifies the whole; an owner hands slices of what it holds out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use overspill_edge::FillFailed;
use overspill_governance::site::SiteId;
use overspill_protocol::{
    fill::{Assembly, FillAnswer, FillAsk, FillRefusal, FillSlice, Unfinished},
    limits::{FILL_SLICE_BYTES, PARTNERS_MAX},
    plan::FillWanted,
    wire,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::swarm::{self, SwarmHandle, limits::FILLS_OUTSTANDING_MAX};

/// Slices of one object asked for at once: an object of a few megabytes keeps the way full, and leaves room for others.
const SLICES_AT_ONCE: usize = 4;
/// Attempts for each slice.
const TRIES: u32 = 2;
/// How long one object may take in all, waiting included. Its first visitor was sent back long before; the next will find it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fetches objects, with a bounded number of slices outstanding at each owner.
#[derive(Debug, Clone)]
pub struct Fetcher {
    swarm: SwarmHandle,
    places: Arc<Mutex<HashMap<SiteId, Arc<Semaphore>>>>,
}

impl Fetcher {
    /// Fetches through `swarm`.
    #[must_use]
    pub fn new(swarm: SwarmHandle) -> Self {
        Self { swarm, places: Arc::default() }
    }

    /// Fetches an object from `from`. What is returned matches the digest.
    ///
    /// # Errors
    /// [`FillFailed`]; nothing was kept.
    pub async fn fetch(&self, want: &FillWanted, from: SiteId) -> Result<Bytes, FillFailed> {
        tokio::time::timeout(PATIENCE, self.assemble(want, from)).await.unwrap_or(Err(FillFailed::Late))
    }

    async fn assemble(&self, want: &FillWanted, from: SiteId) -> Result<Bytes, FillFailed> {
        let places = self.places_of(from);
        let mut assembly = Assembly::new(want.lease, want.digest, want.size).map_err(|_| FillFailed::Wrong)?;
        let mut tries_left = TRIES * u32::try_from(want.size.0.div_ceil(u64::from(FILL_SLICE_BYTES))).unwrap_or(1).max(1);
        // Dropped with this future, and its tasks with it.
        let mut slices = JoinSet::new();
        while !assembly.is_whole() {
            while slices.len() < SLICES_AT_ONCE
                && let Some(ask) = assembly.next_ask()
            {
                let (swarm, places) = (self.swarm.clone(), places.clone());
                slices.spawn(async move { (ask.offset, slice(&swarm, &places, from, ask).await) });
            }
            let Some(Ok((offset, came))) = slices.join_next().await else { return Err(FillFailed::Late) };
            match came {
                Ok(slice) => assembly.insert(&slice).map_err(|_| FillFailed::Wrong)?,
                Err(NoSlice::Final(failed)) => return Err(failed),
                Err(NoSlice::Perhaps) if tries_left > 0 => {
                    tries_left -= 1;
                    assembly.ask_again(offset);
                }
                Err(NoSlice::Perhaps) => return Err(FillFailed::Late),
            }
        }
        match assembly.finish() {
            Ok(bytes) => Ok(bytes.into()),
            Err(Unfinished::Lost(_)) => Err(FillFailed::Wrong),
            Err(Unfinished::Missing(_)) => unreachable!("the loop ends when nothing is missing"),
        }
    }

    fn places_of(&self, from: SiteId) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() > 2 * PARTNERS_MAX {
            // Owners come and go; whoever has nothing outstanding needs no place kept.
            places.retain(|_, kept| Arc::strong_count(kept) > 1);
        }
        places.entry(from).or_insert_with(|| Arc::new(Semaphore::new(FILLS_OUTSTANDING_MAX))).clone()
    }
}

/// Why a slice did not come.
enum NoSlice {
    /// Asking again will not help.
    Final(FillFailed),
    /// It may come the next time.
    Perhaps,
}

async fn slice(swarm: &SwarmHandle, places: &Semaphore, from: SiteId, ask: FillAsk) -> Result<FillSlice, NoSlice> {
    let _place = places.acquire().await.map_err(|_| NoSlice::Final(FillFailed::Late))?;
    let answer = match swarm.ask_fill(from, wire::encode_fill_ask(&ask)).await {
        Ok(answer) => answer,
        Err(swarm::FillFailed::NotConnected | swarm::FillFailed::Stopped) => return Err(NoSlice::Final(FillFailed::Late)),
        Err(error) => {
            tracing::debug!(owner = %from.short(), %error, "a slice did not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Err(NoSlice::Perhaps);
        }
    };
    match wire::decode_fill_answer(&answer) {
        Ok(FillAnswer::Slice(slice)) if slice.offset == ask.offset => Ok(slice),
        Ok(FillAnswer::Refused(FillRefusal::Busy)) => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(NoSlice::Perhaps)
        }
        Ok(FillAnswer::Refused(refusal)) => {
            tracing::debug!(owner = %from.short(), %refusal, "a slice was refused");
            Err(NoSlice::Final(FillFailed::Gone))
        }
        Ok(FillAnswer::Slice(_)) | Err(_) => Err(NoSlice::Final(FillFailed::Wrong)),
    }
}

/// Cuts the slice that was asked for out of a held object.
#[must_use]
pub fn cut(held: Option<&Bytes>, ask: &FillAsk) -> FillAnswer {
    let Some(object) = held else { return FillAnswer::Refused(FillRefusal::NotHeld) };
    let range = usize::try_from(ask.offset).ok().and_then(|start| Some(start..start.checked_add(ask.len as usize)?));
    match range.and_then(|range| object.get(range)) {
        Some(bytes) if !bytes.is_empty() && ask.len <= FILL_SLICE_BYTES => {
            FillAnswer::Slice(FillSlice { digest: ask.digest, offset: ask.offset, bytes: bytes.to_vec() })
        }
        _ => FillAnswer::Refused(FillRefusal::BadSlice),
    }
}

#[cfg(test)]
mod tests;
