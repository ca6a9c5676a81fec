"""The response network's int8 words."""

import unittest

try:
    import numpy as np
    import torch

    import response
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed")


def network() -> "response.Network":
    torch.manual_seed(2)
    made = response.Network(3, 2, 4, np.random.default_rng(1).normal(size=(9, 5)).astype(np.float32),
                            np.linspace(0.5, 2, response.TABLE), 8)
    with torch.no_grad():
        made.words.normal_()
    return made


class Quantisation(unittest.TestCase):
    def test_what_is_shipped_is_what_was_measured(self):
        made = network()
        response.quantise(made)
        small, scale = response.table(made)
        np.testing.assert_allclose(small[:, :response.DIMENSIONS] * scale[:response.DIMENSIONS],
                                   made.words.detach().numpy(), rtol=1e-5, atol=1e-7)
        self.assertEqual(int(np.abs(small).max()), 127)

    def test_words_change_by_half_a_step_but_for_a_few_outliers(self):
        made = network()
        before = made.words.detach().numpy() * made.idf.numpy()[:, None]
        response.quantise(made)
        _, scale = response.table(made)
        far = np.abs(made.words.detach().numpy() - before) > 0.5001 * scale[:response.DIMENSIONS]
        self.assertLess(far.mean(), 1e-4)


if __name__ == "__main__":
    unittest.main()
