--- What plans take to be true of every machine, where measuring it would cost more than it gives. Results do not depend on these
--- numbers but for `filtering`, which chooses between two algorithms whose last bits differ: so a run is the same on all machines of
--- one instruction set, and these constants change only for a clear gain.
return {
  --- For cost.worth_keeping: bytes that a fast disk reads and multiply-adds that two cores compute in a second; seconds to decode an image.
  disk_bytes = 1e9,
  macs = 5e10,
  decoding = 2e-3,

  --- The layers of a network reach this share of the speed of the one that report/plan.lua measures.
  share_of_speed = 0.75,

  --- Costs of minimal filtering and of plain sums: see scion.FilteringCosts. Fitted on two cores with AVX-512 to the convolutions of
  --- Inception V3. spec/bench/filtering.lua fits them anew and tells what other choices would gain: on a CPU with AVX2, where the
  --- transforms came to 16 and 19, 0.3 % over the layers of five networks.
  filtering = {
    forward = { plain = 1, product = 1.2, transform = 26, weight = 2 }, -- and the gradient by the input
    gradient = { plain = 1.4, product = 1.2, transform = 40, weight = 20 }, -- by the kernel
    least_gain = 1.25, -- less is not worth the memory of packed weights, two to four times that of plain ones
  },
}
