"""Wire formats: bytes in, values out. Pure; every refusal is an `InputError` with a reason from a closed set."""
