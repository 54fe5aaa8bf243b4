//! Every ledger makes sense to a stranger: the audit that `overspill ledger verify` does finds nothing in an honest one.

use overspill_governance::{audit::Audit, chain::Record, entry::Entry, site::SiteId, time::Date};

/// Audits a site's durable entries.
pub fn check(site: SiteId, entries: &[Entry]) -> Option<String> {
    let mut audit = Audit::new(site);
    (1..).zip(entries).find_map(|(seq, entry)| {
        let record = Record { seq, date: Date::default(), entry: entry.clone(), at: 0 };
        let finding = audit.take(&record).err()?;
        Some(format!("the audit of {} finds at entry {seq}: {finding}\n{entry}", site.short()))
    })
}
