//! How writes are named, in a batch and in a transaction.
//!
//! **Invariant: whatever can be written in one can be written in the other, under one name and with
//! one meaning.** These are methods of both types and not of a trait, so that nobody has to bring one
//! into scope; each type says in `version` and `range` what it does with a write.

/// The writing methods of a type that has `version` and `range`.
macro_rules! writing_methods {
    () => {
        /// Sets `key` to `value`. A key or value over the limit makes all of it fail when it is
        /// written.
        pub fn put(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
            self.version(keyspace::DEFAULT, ValueKind::Put, key, &[value])
        }

        /// As [`put`](Self::put), in a keyspace.
        pub fn put_in(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) -> &mut Self {
            self.version(keyspace.id(), ValueKind::Put, key, &[value])
        }

        /// Sets `key` to `value` until `at`; from then on it reads as deleted. The value may be 8
        /// bytes shorter than others.
        pub fn put_expiring(&mut self, key: &[u8], value: &[u8], at: WallMs) -> &mut Self {
            let parts = [&expiry::time(at), value];
            self.version(keyspace::DEFAULT, ValueKind::Expiring, key, &parts)
        }

        /// As [`put_expiring`](Self::put_expiring), in a keyspace.
        pub fn put_expiring_in(
            &mut self,
            keyspace: &Keyspace,
            key: &[u8],
            value: &[u8],
            at: WallMs,
        ) -> &mut Self {
            let parts = [&expiry::time(at), value];
            self.version(keyspace.id(), ValueKind::Expiring, key, &parts)
        }

        /// Merges `operand` onto what `key` has, by the merge operator of the keyspace. An operand
        /// does not expire with the value that it is merged onto.
        pub fn merge(&mut self, key: &[u8], operand: &[u8]) -> &mut Self {
            self.version(keyspace::DEFAULT, ValueKind::Merge, key, &[operand])
        }

        /// As [`merge`](Self::merge), in a keyspace.
        pub fn merge_in(&mut self, keyspace: &Keyspace, key: &[u8], operand: &[u8]) -> &mut Self {
            self.version(keyspace.id(), ValueKind::Merge, key, &[operand])
        }

        /// Removes `key`, whether it is there or not.
        pub fn delete(&mut self, key: &[u8]) -> &mut Self {
            self.version(keyspace::DEFAULT, ValueKind::Tombstone, key, &[])
        }

        /// As [`delete`](Self::delete), in a keyspace.
        pub fn delete_in(&mut self, keyspace: &Keyspace, key: &[u8]) -> &mut Self {
            self.version(keyspace.id(), ValueKind::Tombstone, key, &[])
        }

        /// Removes the keys at or behind `start` and before `end`, as one write whatever their
        /// number. An empty range is no write.
        pub fn delete_range(&mut self, start: &[u8], end: &[u8]) -> &mut Self {
            self.range(keyspace::DEFAULT, start, end)
        }

        /// As [`delete_range`](Self::delete_range), in a keyspace.
        pub fn delete_range_in(
            &mut self,
            keyspace: &Keyspace,
            start: &[u8],
            end: &[u8],
        ) -> &mut Self {
            self.range(keyspace.id(), start, end)
        }
    };
}

pub(crate) use writing_methods;
