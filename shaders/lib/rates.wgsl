// Elements of `rates`.
const LEARNING_RATE = 0u;
const CORRECTION1 = 1u; // 1 - beta1^t
const CORRECTION2 = 2u; // 1 - beta2^t

