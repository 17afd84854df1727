"""What pays on an accelerator, as kernels of Triton: the twins of `dse.kernel` there.

    dispatch      which tensors they take
    arithmetic    random numbers and functions, formula by formula those of `dse.kernel.arithmetic`
    conversion    inputs through their converters, with what they drive; products through read noise and converters
    layout        the memory of cells and accumulators, and the tables of settings
    settings      where a setting stands in these
    pulses        SET pulses, reads, and the weights that follow
    words         accumulators
    cells         updates, refresh and drift, each one pass over the weights of a layer
    crossbars     the memory of a layer of a perceptron, its converters and counts among it
    perceptron    products, errors and updates of a perceptron, with the sums of the processor

Every kernel has a leading axis of designs, so that a generation of networks of one shape is one launch. What designs
differ in stands in small tables with a row for each of them.

Random numbers are those of the processor, counter by counter, so that the same cells get the same pulses and products
the same read noise on both. Divisions and roots are rounded correctly and nothing is fused; what differs are sums of
products, which torch forms there in another order.

Only modules below this one import Triton, and they are loaded where a tensor is on an accelerator, or where a test says
that Triton's interpreter may take tensors of the processor (`dispatch.interpreted`).
"""
