//! The `content-encoding` of an answer taken off, piece by piece.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Input taken at once: a thousand times as much may come out.
const SLICE_BYTES: usize = 4 * 1024;

/// A body is not in the coding that its header names.
#[derive(Debug)]
pub(crate) struct Undecodable;

/// Decompresses one body.
#[derive(Debug)]
pub(crate) struct Decompressor {
    coding: Coding,
    /// Input that has arrived and is not decompressed yet.
    input: Bytes,
}

#[derive(Debug)]
enum Coding {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// `deflate`, whose name stands for two formats: the first bytes tell which.
    Unknown,
    Zlib(ZlibDecoder<Vec<u8>>),
    Raw(DeflateDecoder<Vec<u8>>),
}

impl Decompressor {
    /// What the headers ask for; `None` for a body that is plain.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Undecodable> {
        let Some(value) = headers.get(CONTENT_ENCODING) else {
            return Ok(None);
        };
        let name = value.to_str().map_err(|_| Undecodable)?.trim();
        let coding = match name.to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Coding::Gzip(MultiGzDecoder::new(Vec::new())),
            "deflate" => Coding::Unknown,
            _ => return Err(Undecodable),
        };
        Ok(Some(Self {
            coding,
            input: Bytes::new(),
        }))
    }

    /// Adds input; everything before it has been taken out.
    pub(crate) fn feed(&mut self, input: Bytes) {
        self.input = input;
    }

    /// Some of the output, `None` once all of the input is used up.
    pub(crate) fn take(&mut self) -> Result<Option<Bytes>, Undecodable> {
        while !self.input.is_empty() {
            let slice = self.input.split_to(self.input.len().min(SLICE_BYTES));
            if let Coding::Unknown = self.coding {
                self.coding = match slice.first() {
                    // The low half of a zlib stream's first byte is its method, 8 (RFC 1950, 2.2).
                    Some(first) if first & 0x0f == 8 => Coding::Zlib(ZlibDecoder::new(Vec::new())),
                    _ => Coding::Raw(DeflateDecoder::new(Vec::new())),
                };
            }
            let output = match &mut self.coding {
                Coding::Gzip(decoder) => through(decoder, &slice, MultiGzDecoder::get_mut),
                Coding::Zlib(decoder) => through(decoder, &slice, ZlibDecoder::get_mut),
                Coding::Raw(decoder) => through(decoder, &slice, DeflateDecoder::get_mut),
                Coding::Unknown => Err(Undecodable),
            }?;
            if !output.is_empty() {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// The rest of the output at the end of the body.
    ///
    /// # Errors
    ///
    /// The body was cut short.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Undecodable> {
        let output = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.try_finish().map(|()| decoder.get_mut()),
            Coding::Zlib(decoder) => decoder.try_finish().map(|()| decoder.get_mut()),
            Coding::Raw(decoder) => decoder.try_finish().map(|()| decoder.get_mut()),
            // An empty body needs no coding.
            Coding::Unknown => return Ok(Bytes::new()),
        };
        output
            .map(|output| Bytes::from(std::mem::take(output)))
            .map_err(|_| Undecodable)
    }
}

fn through<W: Write>(
    decoder: &mut W,
    slice: &[u8],
    output: impl Fn(&mut W) -> &mut Vec<u8>,
) -> Result<Bytes, Undecodable> {
    // A flush brings out what a server has flushed: the events so far of a compressed stream.
    decoder
        .write_all(slice)
        .and_then(|()| decoder.flush())
        .map_err(|_| Undecodable)?;
    Ok(Bytes::from(std::mem::take(output(decoder))))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderMap;

    use super::{Decompressor, Undecodable};

    fn body() -> Vec<u8> {
        (0..50_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn decode(name: &str, input: &[u8], size: usize) -> Result<Vec<u8>, Undecodable> {
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", name.parse().unwrap());
        let mut decompressor = Decompressor::of(&headers)?.unwrap();
        let mut output = Vec::new();
        for chunk in input.chunks(size) {
            decompressor.feed(Bytes::copy_from_slice(chunk));
            while let Some(piece) = decompressor.take()? {
                output.extend_from_slice(&piece);
            }
        }
        output.extend_from_slice(&decompressor.finish()?);
        Ok(output)
    }

    fn encoded(name: &str) -> Vec<u8> {
        let level = Compression::default();
        let plain = body();
        match name {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            "zlib" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            _ => {
                let mut encoder = DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    #[test]
    fn every_coding_is_taken_off_when_split_anywhere() {
        for (name, form) in [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw")] {
            let input = encoded(form);
            for size in [1, 7, 1400, input.len()] {
                assert_eq!(decode(name, &input, size).unwrap(), body(), "{form} {size}");
            }
        }
    }

    #[test]
    fn a_body_is_refused_when_it_is_cut_short_or_something_else() {
        let input = encoded("gzip");

        assert!(decode("gzip", &input[..input.len() - 9], 512).is_err());
        assert!(decode("gzip", b"plain text", 512).is_err());
        assert!(decode("br", b"anything", 512).is_err());
    }
}
