//! Pages on a CUDA device.

use std::sync::{Mutex, PoisonError};

use inferail_cuda::kernels::{self, Swap};
use inferail_cuda::{
    Attend, Buffer, Device, DeviceError, Number, Pages, Part, Pinned, Stream, View, Write,
};
use inferail_simd::pages::{self, Level, Row};

use super::attention::check_batch;
use super::cpu::same_length;
use super::{Attention, Batch, Format, Layout, Sizes, Store};
use crate::Error;

/// Bytes of a shared prefix that need not be read again, above which it is worth the launch it costs: what an H100 reads
/// in 5 µs. Not measured.
const WORTH_SHARING: usize = 16 << 20;

/// Pages in one allocation of a CUDA device, with a stream of their own.
///
/// Methods that take slices copy them to the device and wait. `write_on` and `attend_on` take arrays that are on the
/// device and a stream, and do not wait: the order among streams is the caller's.
#[derive(Debug)]
pub struct Cuda {
    layout: Layout,
    sizes: Sizes,
    pages: Pages,
    // Before the memory, as its drop waits for what still uses it.
    stream: Stream,
    device: Device,
    memory: Buffer,
    staging: Mutex<Option<Staging>>,
    worth_sharing: usize,
}

/// A block on its way between the device and the host.
#[derive(Debug)]
struct Staging {
    id: Buffer,
    block: Buffer,
    host: Pinned,
}

impl Cuda {
    /// A store on device `ordinal`, all zeros. Its memory is taken at once.
    ///
    /// # Errors
    /// A layout that means nothing or that the kernels are not made for, and [`Error::Device`]: no driver, no device, one
    /// that is too old, and too little memory.
    pub fn new(layout: Layout, ordinal: usize) -> Result<Self, Error> {
        let sizes = layout.sizes()?;
        let pages = Pages::new(
            layout.layers,
            layout.kv_heads,
            layout.head_dim,
            layout.block_size,
            layout.blocks,
            format(layout.format),
        )?;
        let device = Device::open(ordinal)?;
        let memory = device.allocate(sizes.store)?;
        let stream = device.stream()?;
        stream.fill(&memory.view(), 0)?;
        stream.synchronize()?;
        Ok(Self {
            layout,
            sizes,
            pages,
            stream,
            device,
            memory,
            staging: Mutex::new(None),
            worth_sharing: WORTH_SHARING,
        })
    }

    /// Reads a prefix that all sequences of a batch share once for all of them, if that leaves `bytes` or more unread.
    #[must_use]
    pub fn sharing_above(mut self, bytes: usize) -> Self {
        self.worth_sharing = bytes;
        self
    }

    /// Bytes of its parts.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The stream that everything here runs on.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// A layer's memory; it stays as long as what is returned, also without the store.
    ///
    /// # Errors
    /// A layer that the store has not.
    pub fn layer(&self, layer: usize) -> Result<View, Error> {
        if layer >= self.layout.layers {
            return Err(Error::Parameter {
                name: "layer",
                expected: "one of the cache's layers",
                value: layer.to_string(),
            });
        }
        let first = layer * self.sizes.layer;
        Ok(self.memory.view().part(first, self.sizes.layer)?)
    }

    /// As `Cpu::write`, to the byte.
    ///
    /// # Errors
    /// As `Cpu::write`, and a device that fails.
    pub fn write(
        &self,
        layer: usize,
        slots: &[i64],
        keys: Row<'_>,
        values: Row<'_>,
    ) -> Result<(), Error> {
        let width = self.layout.shape().width();
        same_length("keys", keys.len(), slots.len() * width)?;
        same_length("values", values.len(), slots.len() * width)?;
        let slots_of_pool = self.layout.blocks * self.layout.block_size;
        let beyond = |slot: &&i64| usize::try_from(**slot).is_ok_and(|slot| slot >= slots_of_pool);
        if let Some(slot) = slots.iter().find(beyond) {
            return Err(Error::Parameter {
                name: "slots",
                expected: "below blocks × block_size",
                value: slot.to_string(),
            });
        }
        let layer = self.layer(layer)?;
        let slots_there = self.upload(slots)?;
        let (number, keys) = self.upload_row(keys)?;
        let (number_of_values, values) = self.upload_row(values)?;
        if number != number_of_values {
            return Err(Error::Parameter {
                name: "values",
                expected: "of the same type as keys",
                value: format!("{number_of_values:?} beside {number:?}"),
            });
        }
        let write = Write {
            keys: &keys,
            values: &values,
            number,
            tokens: slots.len(),
            token_stride: width,
            slots: &slots_there,
        };
        kernels::write(&self.stream, &self.pages, &layer, &write)?;
        Ok(self.stream.synchronize()?)
    }

    /// Writes arrays of the device, on `stream`, without waiting. A slot that the store has not is left out.
    ///
    /// # Errors
    /// A layer that the store has not, arrays that are too short, a device that fails.
    pub fn write_on(&self, stream: &Stream, layer: usize, write: &Write<'_>) -> Result<(), Error> {
        Ok(kernels::write(
            stream,
            &self.pages,
            &self.layer(layer)?,
            write,
        )?)
    }

    /// Bytes of scratch memory that `attend_on` needs.
    ///
    /// # Errors
    /// More queries than there can be.
    pub fn scratch_bytes(&self, attend: &Attend<'_>) -> Result<usize, Error> {
        Ok(attend.scratch_bytes(&self.device, &self.pages)?)
    }

    /// Attends with arrays of the device, on `stream`, without waiting.
    ///
    /// # Errors
    /// A layer that the store has not, arrays that are too short, a device that fails.
    pub fn attend_on(
        &self,
        stream: &Stream,
        layer: usize,
        scratch: &View,
        attend: &Attend<'_>,
    ) -> Result<(), Error> {
        let layer = self.layer(layer)?;
        Ok(kernels::attend(
            stream,
            &self.pages,
            &layer,
            scratch,
            attend,
        )?)
    }

    /// As `Cpu::gather`.
    ///
    /// # Errors
    /// As `Cpu::gather`, and a device that fails.
    pub fn gather(
        &self,
        layer: usize,
        table: &[u32],
        tokens: usize,
        keys: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Error> {
        let shape = self.layout.shape();
        let width = shape.width();
        same_length("keys", keys.len(), tokens.saturating_mul(width))?;
        same_length("values", values.len(), tokens.saturating_mul(width))?;
        self.layout.check_table(table, tokens)?;
        let layer = self.layer(layer)?;
        let mut page = vec![0_u8; self.sizes.page];
        let rows = keys
            .chunks_exact_mut(width)
            .zip(values.chunks_exact_mut(width));
        for (token, (keys, values)) in rows.enumerate() {
            let slot = token % shape.block_size;
            if slot == 0 {
                let first = table[token / shape.block_size] as usize * self.sizes.page;
                let block = layer.part(first, self.sizes.page)?;
                self.stream.download(&block, &mut page)?;
            }
            pages::read(Level::best(), shape, &page, slot, keys, values);
        }
        Ok(())
    }

    /// As `Cpu::attend`; `threads` means nothing here. Results differ from the processor's by roundings.
    ///
    /// # Errors
    /// As `Cpu::attend`, and a device that fails.
    pub fn attend(
        &self,
        layer: usize,
        batch: Batch<'_>,
        attention: Attention,
        out: &mut [f32],
        logarithms: Option<&mut [f32]>,
    ) -> Result<(), Error> {
        let rows = check_batch(&self.layout, &batch, &attention)?;
        same_length("out", out.len(), batch.queries.len())?;
        if let Some(logarithms) = &logarithms {
            same_length("logarithms", logarithms.len(), rows * batch.heads)?;
        }
        if rows == 0 {
            return Ok(());
        }
        let arrays = Arrays::new(self, &batch, rows, attention.window.is_none())?;
        let wanted = self.device.allocate(rows * batch.heads * 4)?.view();
        let query = self.upload(batch.queries)?;
        let out_there = self.device.allocate(size_of_val(out))?.view();
        // Sequences without queries leave nothing behind.
        let parts = arrays.parts(&batch, rows);
        let attend = Attend {
            query: &query,
            out: &out_there,
            logarithms: logarithms.is_some().then_some(&wanted),
            number: Number::F32,
            queries: rows,
            group: batch.heads / self.layout.kv_heads,
            parts: &parts,
            scale: attention.scaling.scale,
            soft_cap: attention.scaling.soft_cap,
            window: attention.window,
        };
        let scratch = self.device.allocate(self.scratch_bytes(&attend)?)?;
        self.attend_on(&self.stream, layer, &scratch.view(), &attend)?;
        self.stream.download(&out_there, out)?;
        if let Some(logarithms) = logarithms {
            self.stream.download(&wanted, logarithms)?;
        }
        Ok(())
    }

    fn upload<T: inferail_cuda::stream::Plain>(&self, numbers: &[T]) -> Result<View, Error> {
        let buffer = self.device.allocate(size_of_val(numbers))?.view();
        self.stream.upload(numbers, &buffer)?;
        Ok(buffer)
    }

    fn upload_row(&self, row: Row<'_>) -> Result<(Number, View), Error> {
        Ok(match row {
            Row::F32(numbers) => (Number::F32, self.upload(numbers)?),
            Row::Bf16(bits) => (Number::Bf16, self.upload(bits)?),
            Row::F16(bits) => (Number::F16, self.upload(bits)?),
        })
    }

    /// Moves one block through the staging area; it is made when a block first moves.
    fn stage<T>(
        &self,
        length: usize,
        use_it: impl FnOnce(&mut Staging) -> Result<T, DeviceError>,
    ) -> Result<T, Error> {
        same_length("bytes", length, self.sizes.block)?;
        let mut held = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, so that a transfer that failed leaves none behind.
        let mut staging = match held.take() {
            Some(staging) => staging,
            None => Staging {
                id: self.device.allocate(4)?,
                block: self.device.allocate(self.sizes.block)?,
                host: self.device.pinned(self.sizes.block)?,
            },
        };
        let used = use_it(&mut staging)?;
        *held = Some(staging);
        Ok(used)
    }
}

/// A batch as the kernels take it.
struct Arrays {
    /// Of all of them; and of the prefix that they share.
    table: View,
    lengths: View,
    starts: View,
    query_start: View,
    prefix_length: View,
    prefix_queries: View,
    stride: usize,
    shared: usize,
}

impl Arrays {
    fn new(store: &Cuda, batch: &Batch<'_>, rows: usize, may_share: bool) -> Result<Self, Error> {
        let layout = &store.layout;
        let stride = batch
            .tables
            .iter()
            .map(|table| table.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let mut table = vec![-1_i32; stride * batch.tables.len()];
        for (row, blocks) in table.chunks_exact_mut(stride).zip(batch.tables) {
            for (to, from) in row.iter_mut().zip(*blocks) {
                *to = from.cast_signed();
            }
        }
        let shared = if may_share {
            shared_tokens(layout, batch)
        } else {
            0
        };
        let saved = shared * batch.tables.len().saturating_sub(1) * store.sizes.page;
        let shared = if saved / layout.block_size < store.worth_sharing {
            0
        } else {
            shared
        };
        let mut query_start = vec![0_i32];
        let mut end = 0;
        for count in batch.queries_of {
            end += fit(*count)?;
            query_start.push(end);
        }
        let lengths: Vec<i32> = batch
            .lengths
            .iter()
            .map(|length| fit(*length))
            .collect::<Result<_, _>>()?;
        let shared_there = fit(shared)?;
        Ok(Self {
            table: store.upload(&table)?,
            lengths: store.upload(&lengths)?,
            starts: store.upload(&vec![shared_there; batch.tables.len()])?,
            query_start: store.upload(&query_start)?,
            prefix_length: store.upload(&[shared_there])?,
            prefix_queries: store.upload(&[0, fit(rows)?])?,
            stride,
            shared,
        })
    }

    fn parts(&self, batch: &Batch<'_>, rows: usize) -> Vec<Part<'_>> {
        let longest = batch.lengths.iter().copied().max().unwrap_or(0);
        let all: usize = batch.lengths.iter().sum();
        let own = Part {
            block_table: &self.table,
            table_stride: self.stride,
            sequences: batch.tables.len(),
            lengths: &self.lengths,
            starts: Some(&self.starts),
            query_start: Some(&self.query_start),
            most_queries: batch.queries_of.iter().copied().max().unwrap_or(0),
            longest: longest - self.shared,
            tokens: all - self.shared * batch.tables.len(),
            causal: true,
        };
        if self.shared == 0 {
            return vec![own];
        }
        // The first row of the table is the prefix's, too.
        let prefix = Part {
            sequences: 1,
            lengths: &self.prefix_length,
            starts: None,
            query_start: Some(&self.prefix_queries),
            most_queries: rows,
            longest: self.shared,
            tokens: self.shared,
            causal: false,
            ..own.clone()
        };
        vec![prefix, own]
    }
}

/// Tokens in full blocks that every query of the batch sees and all sequences have in the same blocks.
fn shared_tokens(layout: &Layout, batch: &Batch<'_>) -> usize {
    let Some((first, others)) = batch.tables.split_first() else {
        return 0;
    };
    let blocks = others.iter().fold(first.len(), |most, table| {
        let same = first.iter().zip(*table).take(most);
        same.take_while(|(left, right)| left == right).count()
    });
    let seen = batch.lengths.iter().zip(batch.queries_of);
    let seen = seen.map(|(length, queries)| (length + 1).saturating_sub((*queries).max(1)));
    let tokens = (blocks * layout.block_size).min(seen.min().unwrap_or(0));
    tokens - tokens % layout.block_size
}

fn fit(count: usize) -> Result<i32, Error> {
    i32::try_from(count).map_err(|_| Error::Parameter {
        name: "a batch",
        expected: "below 2147483648 tokens",
        value: count.to_string(),
    })
}

fn format(format: Format) -> inferail_cuda::Format {
    match format {
        Format::F32 => inferail_cuda::Format::F32,
        Format::Bf16 => inferail_cuda::Format::Bf16,
        Format::F16 => inferail_cuda::Format::F16,
        Format::Int8 => inferail_cuda::Format::Int8,
        Format::Fp8 => inferail_cuda::Format::Fp8,
    }
}

impl Store for Cuda {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn copy_slots(&self, from: u32, to: u32, slots: usize) -> Result<(), Error> {
        self.layout.check_block(from)?;
        self.layout.check_block(to)?;
        if slots > self.layout.block_size {
            return Err(Error::Parameter {
                name: "slots",
                expected: "at most block_size",
                value: slots.to_string(),
            });
        }
        let copies = [(from, to, slots)];
        Ok(kernels::copy_slots(
            &self.stream,
            &self.pages,
            &self.memory.view(),
            &copies,
        )?)
    }

    fn read_block(&self, block: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.layout.check_block(block)?;
        self.stage(bytes.len(), |staging| {
            let (id, there) = (staging.id.view(), staging.block.view());
            let (pages, all) = (&self.pages, self.memory.view());
            kernels::swap(
                &self.stream,
                pages,
                &all,
                Swap::Gather,
                &[block],
                &id,
                &there,
            )?;
            self.stream.download(&there, staging.host.as_mut_slice())?;
            bytes.copy_from_slice(staging.host.as_slice());
            Ok(())
        })
    }

    fn write_block(&self, block: u32, bytes: &[u8]) -> Result<(), Error> {
        self.layout.check_block(block)?;
        self.stage(bytes.len(), |staging| {
            staging.host.as_mut_slice().copy_from_slice(bytes);
            let (id, there) = (staging.id.view(), staging.block.view());
            self.stream.upload(staging.host.as_slice(), &there)?;
            let (pages, all) = (&self.pages, self.memory.view());
            kernels::swap(
                &self.stream,
                pages,
                &all,
                Swap::Scatter,
                &[block],
                &id,
                &there,
            )?;
            self.stream.synchronize()
        })
    }
}
