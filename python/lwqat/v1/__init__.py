# SPDX-License-Identifier: Apache-2.0
"""The coordinator's messages; proto/lwqat/v1 in the repository says what they mean."""
