//! What became of the disk tier.

use crate::metrics::Counter;

macro_rules! counters {
    ($($name:ident => $shown:literal: $meaning:literal,)*) => {
        /// Counts since the start, and gauges.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct DiskMetrics {
            $(#[doc = $meaning] pub $name: u64,)*
            /// Gauge: bytes of files, as the file system rounds them.
            pub bytes: u64,
            /// Gauge: stored responses.
            pub objects: u64,
            /// Whether all that was there at the start is known.
            pub scanned: bool,
        }

        impl DiskMetrics {
            /// Name, meaning and value of every counter, for exposition.
            pub(crate) fn counters(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
                [$(($shown, $meaning, self.$name),)*].into_iter()
            }
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)* }

        impl Counters {
            pub(crate) fn snapshot(&self, (bytes, objects): (u64, u64), scanned: bool) -> DiskMetrics {
                DiskMetrics { $($name: self.$name.read(),)* bytes, objects, scanned }
            }
        }
    };
}

counters! {
    read => "disk_read": "Stored responses read back from the disk.",
    late => "disk_late": "Stored responses that the disk did not give in time.",
    damaged => "disk_damaged": "Files of stored responses that were damaged, and removed.",
    refused => "disk_refused": "Reads and writes that the operating system refused.",
    written => "disk_written": "Stored responses written to the disk.",
    written_bytes => "disk_written_bytes": "Body bytes written to the disk.",
    skipped => "disk_skipped": "Stored responses not written because the disk was too slow or too full.",
    evicted => "disk_evicted": "Files removed to make room.",
}
