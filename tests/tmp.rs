#![allow(clippy::print_stdout)]
mod common;
use shadegrad::data::digits;
use shadegrad::gpu::*;
use shadegrad::kernel::*;
use shadegrad::profile::*;
use shadegrad::train::*;
#[test]
fn verified() {
    let gpu = pollster::block_on(Gpu::open_to_measure(&common::adapter())).unwrap();
    for k in peaks::registry(gpu.caps.f16) {
        let v = AnyKernel::variants(k, &gpu.caps).swap_remove(0);
        for c in [Checks::On, Checks::Off] {
            let w = pollster::block_on(shadegrad::verify::check_variant(&gpu, k, &v, c, Effort::QUICK));
            println!("{} {:?}", AnyKernel::name(k), w);
        }
    }
}
#[test]
fn t() {
    let gpu = pollster::block_on(Gpu::open_to_measure(&common::adapter())).unwrap();
    let t = std::time::Instant::now();
    let (p, notes) = pollster::block_on(peaks::measure(&gpu)).unwrap();
    println!("{:?}", t.elapsed());
    for r in &p.rates {
        println!("{} {:.2} {} {:?}", r.name(), r.best, r.unit(), r.spread);
    }
    println!("{:?} {:?} {:?} {notes:?}", p.dispatch, p.submit, p.readback);
    let t = std::time::Instant::now();
    let n = peaks::native();
    println!("{:?}", t.elapsed());
    for r in &n.rates {
        println!("{} {:.2} {} {:?}", r.name(), r.best, r.unit(), r.spread);
    }
    let data = digits(7);
    let config = TrainConfig::default();
    let (model, plan) = Trainer::<GpuExecutor>::plan(&config, &data).unwrap();
    let mut e = pollster::block_on(GpuExecutor::new(gpu, plan, Checks::Off)).unwrap();
    upload_images(&mut e, "train", &data.train).unwrap();
    upload_weights(&mut e, &model, &model.initial(1)).unwrap();
    let t = std::time::Instant::now();
    let p =
        pollster::block_on(step(&mut e, Request { device: "x".into(), title: "t".into(), batch: 128, steps: None }, p))
            .unwrap();
    println!("{:?}", t.elapsed());
    println!("{:#?} {} {:?}", p.step, p.clocks_apart, p.clock);
    for r in &p.rows {
        println!(
            "{:2} {:20} {:25} {:9.1} {:5.1}% {:8.2} {:8.2} {:8.3} {:?}",
            r.place,
            r.label,
            r.shape,
            r.time.median,
            r.share.unwrap() * 100.,
            r.gflops,
            r.gbs,
            r.intensity,
            r.roof
        );
    }
}
