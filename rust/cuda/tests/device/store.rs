//! A store on the fake device.

use inferail_cuda::{Attend, Buffer, Device, Number, Pages, Stream, View, Write, kernels};

use crate::reference::{self, Random};

/// A store on the fake device, with sequences in shuffled blocks.
pub(crate) struct Store {
    pub(crate) device: Device,
    pub(crate) stream: Stream,
    pub(crate) pages: Pages,
    pub(crate) memory: Buffer,
    pub(crate) random: Random,
}

impl Store {
    pub(crate) fn new(pages: Pages) -> Self {
        let device = Device::open(0).unwrap();
        let stream = device.stream().unwrap();
        let memory = device.allocate(pages.bytes()).unwrap();
        Self {
            device,
            stream,
            pages,
            memory,
            random: Random(pages.bytes() as u64),
        }
    }

    pub(crate) fn layer(&self, layer: usize) -> View {
        self.memory
            .view()
            .part(layer * self.pages.layer_bytes(), self.pages.layer_bytes())
            .unwrap()
    }

    pub(crate) fn upload<T: inferail_cuda::stream::Plain>(&self, numbers: &[T]) -> View {
        let buffer = self.device.allocate(size_of_val(numbers)).unwrap();
        self.stream.upload(numbers, &buffer.view()).unwrap();
        buffer.view()
    }

    pub(crate) fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.random.normal()).collect()
    }

    /// Writes random keys and values into `slots`, each with a size of its own; returns what was meant.
    pub(crate) fn write(&mut self, layer: usize, number: Number, slots: &[i64]) -> [Vec<f64>; 2] {
        let row = self.pages.kv_heads() * self.pages.head_dim();
        let both = [0, 1].map(|_| {
            let mut x = self.normals(slots.len() * row);
            for (token, row) in x.chunks_mut(row).enumerate() {
                let size = [1.0, 0.01, 30.0, 1e-6]
                    [(token / 5) % if number == Number::F16 { 3 } else { 4 }];
                for x in row {
                    *x *= size;
                }
            }
            reference::encode(number, &x)
        });
        let [keys, values] = both.each_ref().map(|bytes| self.upload(bytes));
        let slots_on_device = self.upload(slots);
        let write = Write {
            keys: &keys,
            values: &values,
            number,
            tokens: slots.len(),
            token_stride: row,
            slots: &slots_on_device,
        };
        kernels::write(&self.stream, &self.pages, &self.layer(layer), &write).unwrap();
        both.map(|bytes| reference::decode(number, &bytes))
    }

    pub(crate) fn bytes(&self, view: &View) -> Vec<u8> {
        let mut bytes = vec![0; view.bytes()];
        self.stream.download(view, &mut bytes).unwrap();
        bytes
    }

    pub(crate) fn attend(&self, layer: usize, attend: &Attend<'_>) {
        let bytes = attend.scratch_bytes(&self.device, &self.pages).unwrap();
        let scratch = self.device.allocate(bytes).unwrap().view();
        let layer = self.layer(layer);
        kernels::attend(&self.stream, &self.pages, &layer, &scratch, attend).unwrap();
    }
}
