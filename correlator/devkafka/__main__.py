from correlator.devkafka.command import main

main(prog_name="python -m correlator.devkafka")
