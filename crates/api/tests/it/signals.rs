//! What a signal does to a program that hands its command line to its environment.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;

/// The program: an endless job, which says when it runs and when it has ended.
#[test]
#[ignore = "the process that the other test stops"]
fn runs_until_it_is_told_to_stop() {
    let env = StreamExecutionEnvironment::from_arguments([""; 0]).unwrap();
    env.set_stop_on_signals(true);
    let numbers = GeneratorSource::new(|n| n).rate_per_second(100.0);
    let numbers = env.add_source(numbers, "numbers").map(|n| {
        if n == 10 {
            println!("the job runs");
        }
        n
    });
    numbers.discard();
    let result = env.execute("endless").unwrap();
    println!("ended {:?}", result.status());
}

#[test]
fn sigterm_ends_a_job_in_order_and_the_program_goes_on() {
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "signals::runs_until_it_is_told_to_stop", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("the job runs") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the program ended early");
    }
    let killed = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("ended Finished"), "{rest}");
    assert!(program.wait().unwrap().success());
}
