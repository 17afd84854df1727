"""The compiled path: mini-batches of images through a perceptron on crossbars, without leaving compiled code.

It does what `dse.training.loop.PlainRun` does with `CrossbarLayer` and `FloatLayer`, in the same order and with the
same random numbers, so that the two agree to the last bit. What makes it fast: only rows with an input other than zero
are read and updated, several of them in one pass; only cells whose accumulator crosses the threshold are touched; and
read noise is drawn at the outputs.

    state      the numbers of a layer, and what all layers share
    cells      pulses, RESET, drift, refresh
    products   products in both directions
    chi        accumulators, row by row
    updates    from inputs and errors of a mini-batch to accumulators
    images     the loop over mini-batches
    pictures   images of deep networks: from bytes to floats, moved and mirrored
    converters whole tensors of deep layers (`dse.training.analog`) through converters
"""
