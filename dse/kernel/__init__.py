"""Compiled code: loops that repeat to the last bit on every processor, each the twin of a plain path.

    arithmetic    functions and random numbers that are the same everywhere
    state         the numbers of a layer on crossbars, and what all layers share
    pcm           PCM cells: pulses, RESET, drift, refresh
    programmed    cells that were programmed and drift
    products      products in both directions
    chi           accumulators, row by row
    updates       from inputs and errors of a mini-batch to accumulators
    engine        the loop over mini-batches of a perceptron
    inference     products of a perceptron that only recognises
    converters    whole tensors of layers of any network (`dse.crossbar.analog`) through converters
    recurrent     what passes between two products of a recurrent layer
    wires         lines of resistors with a cell at every node, as ladders
    vectors       how wide the vectors of a function are
    augmentation  images from bytes to floats, moved and mirrored
    accelerator   kernels of Triton that do the same where a tensor is on an accelerator

The engine does what `dse.networks.perceptron.plain.PlainRun` does with `CrossbarLayer` and `FloatLayer`, in the same
order and with the same random numbers, so that the two agree to the last bit. What makes it fast: only rows with an
input other than zero are read and updated, several of them in one pass; only cells whose accumulator crosses the
threshold are touched; and read noise is drawn at the outputs.
"""
