//! What leases cost: by the prices that their owners signed. Those of the founding's charter are the founding's; others were voted on.

use overspill_governance::{
    allotment::Allotment,
    charter::Charter,
    units::{Bytes, Credit},
};

/// The prices of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    request: Credit,
    mib: Credit,
}

impl Terms {
    /// Those that an owner signed.
    pub(super) fn of(allotment: &Allotment) -> Self {
        Self { request: allotment.price_request, mib: allotment.price_mib }
    }

    /// Those of a charter.
    pub(super) fn by(charter: &Charter) -> Self {
        Self { request: charter.price_request, mib: charter.price_mib }
    }

    /// What service is worth, in micro-credits: computed here once more, in wide integers, and not by the law.
    pub(super) fn price(self, requests: u32, bytes: Bytes) -> i128 {
        let of_bytes = i128::from(bytes.0) * i128::from(self.mib.0) / (1 << 20);
        i128::from(requests) * i128::from(self.request.0) + of_bytes
    }
}
