//! A CUDA device, if there is one: nothing here touches cudarc before our own probe of the driver has said yes.
