//! The storage engine as a component: `wasi:keyvalue/store`.

use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Engine, Store as WasmStore};

use bindings::exports::wasi::keyvalue::store as draft2;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../host-wasm/norikv-component/wit",
        world: "store",
    });
}

/// One long-lived instance of the world `store` with one bucket open.
pub struct Store {
    store: WasmStore<()>,
    world: bindings::Store,
    bucket: ResourceAny,
}

/// One page of [`Store::list_keys`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// Keys in ascending order of their bytes.
    pub keys: Vec<String>,
    /// Where the next page starts; `None` after the last one.
    pub cursor: Option<String>,
}

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The component answered with an error; the instance goes on.
    Refused(String),
    /// The component trapped; the instance is of no more use.
    Trapped(wasmtime::Error),
}

impl Store {
    /// Instantiates the component `bytes` and opens the bucket `identifier`.
    ///
    /// # Errors
    /// `Trapped` when it is not a component of that world or imports anything; `Refused` when it
    /// has no such bucket.
    pub fn open(engine: &Engine, bytes: &[u8], identifier: &str) -> Result<Self, StoreError> {
        let component = Component::new(engine, bytes)?;
        let mut store = WasmStore::new(engine, ());
        let world = bindings::Store::instantiate(&mut store, &component, &Linker::new(engine))?;
        let bucket = world
            .wasi_keyvalue_store()
            .call_open(&mut store, identifier)??;
        Ok(Self {
            store,
            world,
            bucket,
        })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let bucket = self.world.wasi_keyvalue_store().bucket();
        Ok(bucket.call_get(&mut self.store, self.bucket, key)??)
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// `Refused` over a limit, which the message names; nothing changed then.
    pub fn set(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let bucket = self.world.wasi_keyvalue_store().bucket();
        Ok(bucket.call_set(&mut self.store, self.bucket, key, value)??)
    }

    /// Removes `key`; fine when it is not there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        let bucket = self.world.wasi_keyvalue_store().bucket();
        Ok(bucket.call_delete(&mut self.store, self.bucket, key)??)
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn exists(&mut self, key: &str) -> Result<bool, StoreError> {
        let bucket = self.world.wasi_keyvalue_store().bucket();
        Ok(bucket.call_exists(&mut self.store, self.bucket, key)??)
    }

    /// A page of keys from `cursor`, or from the first one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn list_keys(&mut self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let bucket = self.world.wasi_keyvalue_store().bucket();
        let page = bucket.call_list_keys(&mut self.store, self.bucket, cursor)??;
        Ok(KeyPage {
            keys: page.keys,
            cursor: page.cursor,
        })
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "the component refused: {why}"),
            Self::Trapped(trap) => write!(f, "the component trapped: {trap:#}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<wasmtime::Error> for StoreError {
    fn from(trap: wasmtime::Error) -> Self {
        Self::Trapped(trap)
    }
}

impl From<draft2::Error> for StoreError {
    fn from(error: draft2::Error) -> Self {
        Self::Refused(match error {
            draft2::Error::NoSuchStore => "there is no store of that name".to_owned(),
            draft2::Error::AccessDenied => "access denied".to_owned(),
            draft2::Error::Other(why) => why,
        })
    }
}
