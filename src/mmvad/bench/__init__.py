"""`mmvad bench`: what the suite's speed is, beside the plain forms that its exactness is tested against."""
