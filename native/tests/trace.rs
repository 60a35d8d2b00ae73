//! What tracers, access lists and simulations say of two small contracts.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use gridbourse_native::{
    block::Genesis,
    error::{Error, Result},
    execute::{AccountOverride, Environment, Overlay},
    simulate::Simulation,
    trace::{CallOptions, PrestateOptions, StepOptions, Tracer, access_list, trace},
};
use revm::{DatabaseRef, bytecode::Bytecode, context::TxEnv, primitives::hardfork::SpecId, state::AccountInfo};

const SENDER: Address = Address::repeat_byte(1);
const CALLER: Address = address!("00000000000000000000000000000000000000aa");
const ANSWERER: Address = address!("00000000000000000000000000000000000000bb");
const REFUSER: Address = address!("00000000000000000000000000000000000000cc");
const IDENTITY: Address = address!("0000000000000000000000000000000000000004");

/// Calls another, reads slot 1, writes 5 into it, emits an event.
fn calling(other: Address) -> Vec<u8> {
    let call = [&hex!("5f5f5f5f5f73")[..], other.as_slice(), &hex!("5af150")].concat();
    [&call[..], &hex!("600154506005600155"), &hex!("5f5fa000")].concat()
}
const ANSWERING: [u8; 8] = hex!("602a5f5260205ff3");
const REFUSING: [u8; 3] = hex!("5f5ffd");

#[derive(Debug, Default)]
struct Memory {
    accounts: HashMap<Address, AccountInfo>,
    codes: HashMap<B256, Bytecode>,
    slots: HashMap<(Address, U256), U256>,
}

impl Memory {
    fn put(&mut self, address: Address, code: &[u8]) {
        let info = AccountInfo { nonce: 1, code_hash: keccak256(code), ..AccountInfo::default() };
        self.codes.insert(info.code_hash, Bytecode::new_raw(Bytes::copy_from_slice(code)));
        self.accounts.insert(address, AccountInfo { code: None, ..info });
    }
}

impl DatabaseRef for Memory {
    type Error = Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>> {
        Ok(self.accounts.get(&address).cloned())
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode> {
        Ok(self.codes.get(&hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256> {
        Ok(self.slots.get(&(address, key)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        Ok(B256::with_last_byte(number.to_be_bytes()[7]))
    }
}

fn simulation() -> Simulation<Memory> {
    let mut state = Memory::default();
    state.put(CALLER, &calling(ANSWERER));
    state.put(ANSWERER, &ANSWERING);
    state.put(REFUSER, &REFUSING);
    state.slots.insert((CALLER, U256::from(1)), U256::from(7));
    let fork = SpecId::PRAGUE;
    let genesis = Genesis { chain_id: 7, sealer: Address::ZERO, gas_limit: 30_000_000, timestamp: 0, fork };
    Simulation::new(Environment::of(&genesis, 9, 1_000, B256::ZERO), Overlay::new(state))
}

fn message(to: Address) -> TxEnv {
    TxEnv { caller: SENDER, kind: TxKind::Call(to), gas_limit: 100_000, chain_id: None, ..TxEnv::default() }
}

fn traced(simulation: &mut Simulation<Memory>, to: Address, tracer: &Tracer) -> String {
    trace(simulation, message(to), tracer).expect("it is run").to_string()
}

#[test]
fn calls_stand_where_they_were_made_and_events_between_them() {
    let options = CallOptions { with_log: true, ..CallOptions::default() };
    let shown = traced(&mut simulation(), CALLER, &Tracer::Calls(options));
    assert!(shown.starts_with(r#"{"from":"0x0101010101010101010101010101010101010101","gas":"0x186a0","gasUsed":"#));
    assert!(shown.contains(r#""calls":[{"from":"0x00000000000000000000000000000000000000aa","gas":"#), "{shown}");
    assert!(shown.contains(r#""output":"0x000000000000000000000000000000000000000000000000000000000000002a""#));
    let log = concat!(
        r#""logs":[{"address":"0x00000000000000000000000000000000000000aa","topics":[],"data":"0x","#,
        r#""index":"0x0","position":"0x1"}],"value":"0x0","type":"CALL"}"#
    );
    assert!(shown.ends_with(log), "{shown}");
}

#[test]
fn what_fails_has_no_events_and_says_why() {
    let mut simulation = simulation();
    let code = [&calling(REFUSER)[..36], &REFUSING].concat();
    let other = AccountOverride { code: Some(code.into()), ..AccountOverride::default() };
    simulation.suppose(CALLER, other, None).expect("it is supposed");
    let options = CallOptions { with_log: true, ..CallOptions::default() };
    let shown = traced(&mut simulation, CALLER, &Tracer::Calls(options));
    assert_eq!(shown.matches(r#""error":"Revert""#).count(), 2, "{shown}");
    assert!(!shown.contains("logs"));
}

#[test]
fn the_state_before_is_all_that_was_looked_at_and_the_difference_what_changed() {
    let word = |value: u64| format!("\"{:#x}\"", B256::from(U256::from(value)));
    let before = traced(&mut simulation(), CALLER, &Tracer::Prestate(PrestateOptions::default()));
    assert!(before.contains(&format!(r#""storage":{{{}:{}}}"#, word(1), word(7))), "{before}");
    assert!(before.contains(r#"00bb":{"#), "it was called: {before}");
    let options = PrestateOptions { diff_mode: true, ..PrestateOptions::default() };
    let difference = traced(&mut simulation(), CALLER, &Tracer::Prestate(options));
    assert!(difference.contains(&format!(r#"aa":{{"storage":{{{}:{}}}}}"#, word(1), word(5))), "{difference}");
    assert!(!difference.contains(r#"00bb":{"#), "it is as it was: {difference}");
}

#[test]
fn steps_have_what_they_find_and_what_they_cost() {
    let shown = traced(&mut simulation(), CALLER, &Tracer::Steps(StepOptions::default()));
    assert!(shown.contains(r#""op":"SSTORE""#));
    assert!(
        shown.contains(r#"{"pc":0,"op":"PUSH0","gas":79000,"gasCost":2,"depth":1,"refund":0,"stack":[]}"#),
        "{shown}"
    );
    let one = traced(&mut simulation(), CALLER, &Tracer::Steps(StepOptions { limit: 1, ..StepOptions::default() }));
    assert_eq!(one.matches(r#""pc""#).count(), 1);
}

#[test]
fn an_access_list_names_what_is_accessed_and_was_not_warm() {
    let mut simulation = simulation();
    let (found, outcome) = access_list(&mut simulation, &message(CALLER)).expect("it is run");
    let plain: Vec<_> = found.iter().map(|item| (item.address, item.storage_keys.len())).collect();
    assert_eq!(plain, [(CALLER, 1), (ANSWERER, 0)]);
    assert!(outcome.succeeded);
    let listed = TxEnv { tx_type: 1, chain_id: Some(7), access_list: found, ..message(CALLER) };
    let again = simulation.call(listed, false, false).expect("it is run");
    assert_eq!(again.outcome.gas_used, outcome.gas_used);
}

#[test]
fn a_precompiled_contract_answers_where_it_was_moved_to_and_nowhere_else() {
    let mut simulation = simulation();
    let moved_to = Some(REFUSER);
    simulation.suppose(IDENTITY, AccountOverride::default(), moved_to).expect("there is one");
    let said = |simulation: &mut Simulation<Memory>, to| {
        let transaction = TxEnv { data: Bytes::from_static(b"hello"), ..message(to) };
        simulation.call(transaction, false, false).expect("it is run").outcome.output
    };
    assert_eq!(said(&mut simulation, REFUSER), Bytes::from_static(b"hello"));
    assert_eq!(said(&mut simulation, IDENTITY), Bytes::new());
    assert!(simulation.suppose(ANSWERER, AccountOverride::default(), moved_to).is_err());
}

#[test]
fn coins_that_move_are_events_if_they_stay_moved() {
    let mut simulation = simulation();
    let rich = AccountOverride { balance: Some(U256::from(100)), ..AccountOverride::default() };
    simulation.suppose(SENDER, rich, None).expect("it is supposed");
    let sent = TxEnv { value: U256::from(3), ..message(ANSWERER) };
    let logs = simulation.call(sent.clone(), true, true).expect("it is run").outcome.logs;
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].address, logs[0].topics()[2]), (Address::repeat_byte(0xee), ANSWERER.into_word()));
    let refused =
        simulation.call(TxEnv { kind: TxKind::Call(REFUSER), ..sent.clone() }, true, true).expect("it is run");
    assert!(refused.outcome.logs.is_empty());
    let poor = simulation.call(TxEnv { value: U256::from(98), ..sent }, true, true);
    assert!(matches!(poor, Err(Error::Rejected(..))), "97 are left");
}
