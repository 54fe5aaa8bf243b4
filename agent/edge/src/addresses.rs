//! What is counted for each visitor's address: open connections.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

/// Who is taken for one visitor: an IPv4 address, or the /64 that a network gives to each IPv6 host.
pub(crate) fn visitor_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Open connections of each address, so that one visitor cannot take them all.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<HashMap<IpAddr, u32>>);

impl Addresses {
    /// Counts one more connection of `address`, unless it has `max` already.
    pub(crate) fn enter(&self, address: IpAddr, max: u32) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(visitor_of(address)).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        true
    }

    pub(crate) fn leave(&self, address: IpAddr) {
        let (mut counts, visitor) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), visitor_of(address));
        if let Some(count) = counts.get_mut(&visitor) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&visitor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[test]
    fn nobody_opens_more_connections_than_one_may() {
        let addresses = Addresses::default();
        assert!(addresses.enter(address(1), 2) && addresses.enter(address(1), 2) && !addresses.enter(address(1), 2));
        assert!(addresses.enter(address(2), 2));
        addresses.leave(address(1));
        assert!(addresses.enter(address(1), 2));
        let (one, other): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff:2".parse().unwrap());
        assert!(addresses.enter(one, 1) && !addresses.enter(other, 1), "an IPv6 host has as many addresses as it likes");
        assert!(addresses.enter("2001:db8:0:1::1".parse().unwrap(), 1));
    }
}
