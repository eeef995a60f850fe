//! Counters that can be added up, and that name the faults that fired.

/// A struct of counters: first what was done, then how often each fault fired.
macro_rules! counters {
    (
        $(#[$outer:meta])*
        pub struct $name:ident {
            work { $($(#[$work_doc:meta])* $work:ident,)* }
            faults { $($(#[$fault_doc:meta])* $fault:ident,)* }
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$work_doc])* pub $work: u64,)*
            $($(#[$fault_doc])* pub $fault: u64,)*
        }

        impl $name {
            /// Every fault by the name of its field, with how often it fired.
            pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($fault), self.$fault)),*].into_iter()
            }
        }

        impl core::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                $(self.$work += other.$work;)*
                $(self.$fault += other.$fault;)*
            }
        }
    };
}

pub(crate) use counters;
